package config_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/cmd/socketserver/config"
	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/framework/proxyproto"
)

func TestAccessAndRates(t *testing.T) {
	src := `defaults {
  access { deny = ["10.0.0.66", "fe80::/10"] }
  limits { rate = "200/s" }
}
` + server(tcp+threading+echo+`access { allow = ["10.0.0.0/8", "::ffff:192.0.2.0/120", "::1"] }
limits {
  rate_per_source = "20/10s"
  penalty         = "1m"
}
`)
	c, err := config.Parse("servers.hcl", []byte(src), catalog)
	require.NoError(t, err)
	s := c.Servers[0]
	prefix := netip.MustParsePrefix
	require.Equal(t, config.Access{
		Allow: []netip.Prefix{prefix("10.0.0.0/8"), prefix("::ffff:192.0.2.0/120"), prefix("::1/128")},
		Deny:  []netip.Prefix{prefix("10.0.0.66/32"), prefix("fe80::/10")},
	}, s.Access)
	require.Equal(t, framework.Rate{N: 200, Per: time.Second}, s.Limits.Rate)
	l := s.NewLimits()
	require.Equal(t, framework.Rate{N: 20, Per: 10 * time.Second}, l.RatePerSource)
	require.Equal(t, time.Minute, l.Penalty)

	other := *s
	other.Access.Deny, other.Limits.Rate, other.Limits.RatePerSource = nil, framework.Rate{N: 5, Per: 90 * time.Second}, framework.Rate{}
	require.Equal(t, []string{
		`access.deny ["10.0.0.66", "fe80::/10"] -> []`, `limits.rate "200/s" -> "5/1m30s"`, `limits.rate_per_source "20/10s" -> "0"`,
	}, other.Difference(s))
}

func TestErrorsOfAccessAndRates(t *testing.T) {
	for block, want := range map[string]string{
		`access { allow = [] }`:                  `5:18: server "s": access: allow: the list is empty, so that nobody may come in; write the networks that may, or ["0.0.0.0/0", "::/0"] for everybody`,
		`access { deny = ["10.0.0.5/8"] }`:       `5:17: server "s": access: deny: "10.0.0.5/8" has bits set behind the prefix; write "10.0.0.0/8"`,
		`access { deny = ["example.net"] }`:      `5:17: server "s": access: deny: "example.net" is neither a network nor an address; write it as in "192.0.2.0/24", "192.0.2.7" or "2001:db8::/32"`,
		`access { deny = ["fe80::1%eth0"] }`:     `5:17: server "s": access: deny: "fe80::1%eth0" has a zone, which is not looked at; write it without %eth0`,
		`access { alow = ["::1"] }`:              `5:10: server "s": access: there is no attribute "alow" here; did you mean "allow"?`,
		`limits { rate = "20" }`:                 `5:17: server "s": limits: rate: "20" is not a rate; write it as in "200/s" or "20/10s", or "0" for no limit`,
		`limits { rate = "20/fortnight" }`:       `5:17: server "s": limits: rate: "20/fortnight" is not a rate; write it as in "200/s" or "20/10s", or "0" for no limit`,
		`limits { rate_per_source = "-1/s" }`:    `5:28: server "s": limits: rate_per_source: "-1/s" is out of range; write it as in "200/s" or "20/10s", or "0" for no limit`,
		`limits { rate_per_source = "1/1000h" }`: `5:28: server "s": limits: rate_per_source: "1/1000h" is out of range; write it as in "200/s" or "20/10s", or "0" for no limit`,
		`limits { penalty = "10s" }`:             `5:20: server "s": limits: penalty is for sources that exceed rate_per_source, which is not set; add rate_per_source = "20/10s", or remove penalty`,
	} {
		require.Equal(t, []string{want}, problems(t, server(tcp+threading+echo+block)), block)
	}
	require.Equal(t, []string{`5:1: server "s": access: it is about IP addresses, and clients of these transports have none; remove it; mode of a Unix socket says which users may connect`},
		problems(t, server("transport \"unix\" { address = \"s\" }\n"+threading+echo+`access { allow = ["::1"] }`)))
}

func TestProxyProtocol(t *testing.T) {
	with := func(inside string) string {
		return server("transport \"tcp\" {\n  address = \":0\"\n  " + inside + "\n}\n" + threading + echo)
	}
	c, err := config.Parse("servers.hcl", []byte(with(`proxy_protocol { from = ["10.0.0.0/8", "::1"] }`)), catalog)
	require.NoError(t, err)
	o := c.Servers[0].Transports[0].ProxyProtocol
	require.Equal(t, &proxyproto.Options{
		From: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("::1/128")}, Require: true, Timeout: 3 * time.Second,
	}, o)
	next, err := config.Parse("servers.hcl", []byte(with("proxy_protocol {\n from = [\"10.0.0.0/8\"]\n require = false\n}")), catalog)
	require.NoError(t, err)
	require.Equal(t, []string{
		`transport tcp :0.proxy_protocol.from ["10.0.0.0/8", "::1"] -> ["10.0.0.0/8"]`, `transport tcp :0.proxy_protocol.require true -> false`,
	}, next.Servers[0].Difference(c.Servers[0]))

	require.Equal(t, []string{`4:3: server "s": transport "tcp": proxy_protocol: there is no from; add from = ["10.0.0.0/8"], the networks of the proxies`},
		problems(t, with("proxy_protocol {}")))
	require.Contains(t, problems(t, with(`proxy_protocol { from = [] }`))[0], "the list is empty")
	for _, c := range []struct{ timeout, handshake, bound string }{
		{`timeout = "8s"`, "", "5s"},
		{`timeout = "8s"`, `timeouts { handshake = "6s" }`, "6s"},
		{`timeout = "8s"`, `timeouts { handshake = "0" }`, "5s"}, // a header always has an end
		{`timeout = "8s"`, `timeouts { handshake = "8s" }`, ""},
		{`timeout = "5s"`, "", ""},
		{`timeout = "0"`, `timeouts { handshake = "1s" }`, ""},
		{"", `timeouts { handshake = "1s" }`, ""}, // the default is no choice
	} {
		src := server("transport \"tcp\" {\naddress = \":0\"\nproxy_protocol {\nfrom = [\"::1\"]\n" + c.timeout + "\n}\n}\n" + threading + echo + c.handshake)
		if c.bound != "" {
			require.Equal(t, []string{`6:11: server "s": transport "tcp": proxy_protocol: timeout is 8s, and timeouts.handshake ends the wait after ` + c.bound + `; lower it, or write as much there`}, problems(t, src))
			continue
		}
		_, err := config.Parse("servers.hcl", []byte(src), catalog)
		require.NoError(t, err, "%v", c)
	}
	for _, network := range []string{"udp", "unix"} {
		src := server("transport \"" + network + "\" {\n  address = \"localhost:1\"\n  proxy_protocol { from = [\"::1\"] }\n}\n" + threading + echo)
		require.Equal(t, []string{`4:3: server "s": transport "` + network + `": proxy_protocol is for "tcp" and "websocket"; remove it, or change the word`}, problems(t, src))
	}
}
