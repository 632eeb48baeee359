package config

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"github.com/go-socketserver/socketserver/framework/layer/websocket"
	"github.com/go-socketserver/socketserver/framework/proxyproto"
)

// isName reports whether name has letters, digits and signs alone, and marks and more signs after
// the first of them. A regular expression for every script would take longer to compile than the
// program to start.
func isName(name string, longest int, signs, more string) bool {
	for i, r := range name {
		if !unicode.IsLetter(r) && !unicode.IsNumber(r) && !strings.ContainsRune(signs, r) &&
			(i == 0 || !unicode.IsMark(r) && !strings.ContainsRune(more, r)) {
			return false
		}
	}
	return name != "" && utf8.RuneCountInString(name) <= longest
}

// readServer reads a server block. check reports missing parts.
func (b *block) readServer(h *hclsyntax.Block) {
	name, ok := b.label(h, "echo")
	if !ok {
		return
	}
	if !isName(name, 64, "", " ._-") { // as it can be part of a file's
		b.problem(h.LabelRanges[0], faultf("begin with a letter or digit, and go on with those, blanks, dots, dashes and underscores, at most 64", "server %q: this cannot be a name", name))
	}
	s := b.inner(h)
	d := &draft{
		Server: &Server{Name: name, Access: b.access, Limits: b.limits, Timeouts: b.timeouts, Process: b.process, AccessLog: true},
		block:  s.name, at: s.at, options: map[string]hcl.Range{}, blocks: s.first, state: b.state,
	}
	b.servers = append(b.servers, d)
	b.config.Servers = append(b.config.Servers, d.Server)
	s.read(attributes{"access_log": boolean(&d.AccessLog)}, blocks{
		"transport":   repeat(func(h *hclsyntax.Block) { s.readTransport(h, d) }),
		"concurrency": once(func(h *hclsyntax.Block) { s.readConcurrency(h, d) }),
		"handler":     repeat(func(h *hclsyntax.Block) { s.readHandler(h, d) }),
		"plugin":      repeat(func(h *hclsyntax.Block) { s.readHandler(h, d) }),
		"limits":      once(func(h *hclsyntax.Block) { d.penalty = s.readLimits(h, &d.Limits) }),
		"timeouts":    once(func(h *hclsyntax.Block) { s.readTimeouts(h, &d.Timeouts) }),
		"state":       once(func(h *hclsyntax.Block) { s.readState(h, &d.state) }),
		"access":      once(func(h *hclsyntax.Block) { s.readAccess(h, &d.Access) }),
		"process":     once(func(h *hclsyntax.Block) { s.readProcess(h, &d.Process) }),
	})
}

// maxBuffer is the maximum size of a buffer, in bytes.
const maxBuffer = 16 << 20

// newTransport returns the transport of a block's label, and the options of a WebSocket, which are its
// own if it is one.
func newTransport(word string) (Transport, *websocket.Options) {
	web := &websocket.Options{Path: "/"}
	if word == "websocket" {
		return Transport{Network: "tcp", WebSocket: web}, web
	}
	t := Transport{Network: word}
	if word == "unixpacket" {
		t.ReadBuffer = 64 << 10 // a message has to fit
	}
	return t, web
}

// transportGrammar returns the attributes of each network. beside resolves paths against the
// file's directory.
func transportGrammar(t *Transport, web *websocket.Options, beside func(string) string) map[string]attributes {
	queue, read := integer(&t.RequestQueueSize, 1, 65535), integer(&t.ReadBuffer, 16, maxBuffer) // bufio reads with no less than 16
	write := orNone(&t.WriteBuffer, integer(&t.WriteBuffer, 0, maxBuffer))
	address, size, mode := address(t, beside), integer(&t.MaxPacketSize, 1, 65507), mode(&t.Mode)
	tcp := attributes{
		"address": address, "request_queue_size": queue, "read_buffer": read, "write_buffer": write,
		"reuse_port": boolean(&t.ReusePort), "multipath": multipath(t), "no_delay": inverted(&t.Nagle), "keep_alive": orNone(&t.KeepAlive, duration(&t.KeepAlive)),
	}
	overTCP := maps.Clone(tcp)
	maps.Copy(overTCP, attributes{
		"path": urlPath(&web.Path), "origins": texts(func(all []string) *fault { return checkOrigins(all, &web.Origins) }),
		"subprotocol": subprotocol(&web.Subprotocol), "message": choice(func(s string) { web.Binary = s == "binary" }, "text", "binary"),
	})
	path := attributes{
		"address": address, "request_queue_size": queue, "read_buffer": read, "write_buffer": write,
		"mode": mode, "owner": nil, "group": nil,
	}
	return map[string]attributes{
		"tcp":        tcp,
		"websocket":  overTCP,
		"udp":        {"address": address, "max_packet_size": size},
		"unix":       path,
		"unixpacket": path,
		"vsock":      {"address": address, "request_queue_size": queue, "read_buffer": read, "write_buffer": write},
		"unixgram":   {"address": address, "max_packet_size": size, "mode": mode, "owner": nil, "group": nil},
	}
}

// multipath keeps whether clients may use Multipath TCP.
func multipath(t *Transport) field {
	return typed(cty.Bool, "true or false", func(on bool) *fault {
		t.Multipath, t.SinglePath = on, !on
		return nil
	})
}

func (b *block) readTransport(h *hclsyntax.Block, d *draft) {
	network, ok := b.label(h, "tcp")
	if !ok {
		return
	}
	t, web := newTransport(network)
	grammar := transportGrammar(&t, web, b.source.beside)
	switch {
	case network == "tls":
		b.problem(h.LabelRanges[0], faultf(`write transport "tcp" with a block tls { ... } in it`, "TLS is a layer of a transport"))
		return
	case grammar[network] == nil:
		b.problem(h.LabelRanges[0], unknownName("transport", network, names(grammar)))
		return
	}
	i := b.inner(h)
	var isolated, preamble hcl.Range
	connected := blocks{
		"tls":            repeat(func(h *hclsyntax.Block) { isolated = cmp.Or(i.readTLS(h, &t), isolated) }),
		"proxy_protocol": once(func(h *hclsyntax.Block) { preamble = i.readProxyProtocol(h, &t.ProxyProtocol) }),
	}
	i.readVariant(network, grammar, map[string]blocks{"tcp": connected, "websocket": connected})
	if i.body.Attributes["address"] == nil {
		example := "localhost:9000"
		switch {
		case IsUnix(network):
			example = "server.sock"
		case network == "vsock":
			example = "any:9000"
		}
		i.problem(i.at, faultf(fmt.Sprintf("add address = %q", example), "there is no address"))
	}
	t.At = i.placeOf(i.place("address"))
	d.Transports = append(d.Transports, t)
	d.transports, d.isolated = append(d.transports, i.place("address")), append(d.isolated, isolated)
	d.preambles = append(d.preambles, preamble)
}

// readProxyProtocol reads the block of that name. from has no default: a peer that may send a header
// can claim any client address. It returns where timeout is, of a block that has one.
func (b *block) readProxyProtocol(h *hclsyntax.Block, into **proxyproto.Options) (timeout hcl.Range) {
	o := &proxyproto.Options{Require: true, Timeout: 3 * time.Second}
	i := b.bare(h)
	i.read(attributes{"from": someNetworks(&o.From), "require": boolean(&o.Require), "timeout": duration(&o.Timeout)}, nil)
	if i.body.Attributes["from"] == nil {
		i.problem(i.at, faultf(`add from = ["10.0.0.0/8"], the networks of the proxies`, "there is no from"))
	}
	if i.body.Attributes["timeout"] != nil {
		timeout = i.place("timeout")
	}
	*into = o
	return timeout
}

// readVariant reads a block by the grammar of its label. The error for an attribute or block of
// another label names that label.
func (b *block) readVariant(label string, grammar map[string]attributes, inner map[string]blocks) {
	own := grammar[label]
	for name, a := range b.body.Attributes {
		_, known := own[name]
		others := slices.DeleteFunc(names(grammar), func(other string) bool { return grammar[other][name] == nil })
		if !known && len(others) > 0 {
			b.problem(a.NameRange, faultf("remove it, or change the word", "%s is for %s", name, list(others)))
			delete(b.body.Attributes, name)
		}
	}
	b.body.Blocks = slices.DeleteFunc(b.body.Blocks, func(h *hclsyntax.Block) bool {
		others := slices.DeleteFunc(names(inner), func(other string) bool { return inner[other][h.Type] == nil })
		misplaced := inner[label][h.Type] == nil && len(others) > 0
		if misplaced {
			b.problem(h.TypeRange, faultf("remove it, or change the word", "%s is for %s", h.Type, list(others)))
		}
		return misplaced
	})
	b.read(own, inner[label])
}

func (b *block) readConcurrency(h *hclsyntax.Block, d *draft) {
	d.concurrency = h.DefRange()
	kind, ok := b.label(h, "threading")
	if !ok {
		return
	}
	c := &d.Concurrency
	*c = DefaultConcurrency(kind)
	if f := checkConcurrency(kind); f != nil {
		b.problem(h.LabelRanges[0], f)
		return
	}
	i := b.inner(h)
	i.readVariant(kind, concurrencyGrammar(c), nil)
	d.spares, d.workers = i.place("spares"), i.place("workers")
}

func checkConcurrency(kind string) *fault {
	if _, known := kinds[kind]; known {
		return nil
	}
	return unknownName("concurrency", kind, names(kinds))
}

func unknownName(what, name string, names []string) *fault {
	return faultf(suggest(name, names), "there is no %s %q", what, name)
}

// readHandler reads a handler or plugin block. Its attributes are the handler's options.
func (b *block) readHandler(h *hclsyntax.Block, d *draft) {
	if d.handler != (hcl.Range{}) {
		b.second(h, "handler or plugin", d.handler)
		return
	}
	d.handler = h.DefRange()
	name, ok := b.label(h, "echo")
	if !ok {
		return
	}
	d.Handler = Handler{Kind: h.Type, Name: name, Directory: filepath.Dir(h.DefRange().Filename)}
	i := b.inner(h)
	for _, inner := range h.Body.Blocks {
		i.problem(inner.TypeRange, faultf(fmt.Sprintf("write %s = { ... }", inner.Type), "options are attributes, and %s is a block", inner.Type))
	}
	values, own := map[string]json.RawMessage{}, attributes{}
	for option, a := range h.Body.Attributes {
		d.options[option] = a.NameRange
		own[option] = func(v cty.Value) *fault {
			if v.IsNull() {
				return nil
			}
			value, err := ctyjson.SimpleJSONValue{Value: v}.MarshalJSON()
			if err != nil { // an infinite number
				return faultf("write a number, text, a list or a map", "this value cannot be passed to a handler")
			}
			values[option] = value
			return nil
		}
	}
	i.body = &hclsyntax.Body{Attributes: h.Body.Attributes}
	i.read(own, nil)
	d.Handler.Options, _ = json.Marshal(values) // of valid JSON
}
