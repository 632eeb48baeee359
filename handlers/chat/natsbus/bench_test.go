package natsbus_test

import (
	"fmt"
	"net/url"
	"slices"
	"testing"
	"time"

	natsserver "github.com/nats-io/nats-server/v2/server"

	"github.com/go-socketserver/socketserver/framework"
)

// BenchmarkTold measures how soon a user at one server is told what one at another does.
func BenchmarkTold(b *testing.B) {
	b.Run("one node", func(b *testing.B) { benchmarkTold(b, port(startNATS(b, -1))) })
	b.Run("three nodes", func(b *testing.B) {
		var nodes []*natsserver.Server
		for n := range 3 {
			nodes = append(nodes, startNATS(b, -1, func(o *natsserver.Options) {
				o.ServerName = fmt.Sprint("node", n)
				o.Cluster = natsserver.ClusterOpts{Name: "test", Host: "127.0.0.1", Port: -1}
				o.Routes = []*url.URL{{Scheme: "nats", Host: "127.0.0.1:1"}} // a cluster needs one
				if n > 0 {
					o.Routes = []*url.URL{{Scheme: "nats", Host: nodes[0].ClusterAddr().String()}}
				}
			}))
		}
		for !slices.ContainsFunc(nodes, func(s *natsserver.Server) bool { return s.JetStreamIsLeader() && len(s.JetStreamClusterPeers()) == 3 }) {
			time.Sleep(10 * time.Millisecond)
		}
		benchmarkTold(b, port(nodes[0]))
	})
}

func benchmarkTold(b *testing.B, at int) {
	one, _ := serve(b, options(at), &framework.Threading{})
	two, _ := serve(b, options(at), &framework.Threading{})
	alice := enter(b, one, "alice")
	bob := enter(b, two, "bob", alice)
	meet(alice, bob)
	told := func(name string, prepare func(), do func(i int) (awaited string)) {
		b.Run(name, func(b *testing.B) {
			var all []time.Duration
			for i := range b.N {
				prepare()
				began := time.Now()
				alice.skips(do(i))
				all = append(all, time.Since(began))
			}
			slices.Sort(all)
			b.ReportMetric(float64(all[len(all)/2].Microseconds()), "p50-µs")
			b.ReportMetric(float64(all[len(all)*99/100].Microseconds()), "p99-µs")
		})
	}
	told("line", func() {}, func(i int) string {
		bob.say(fmt.Sprint(i))
		return fmt.Sprintf("bob: %d\n", i)
	})
	nicks := 0
	told("nick", func() {}, func(int) string {
		nicks++
		bob.say(fmt.Sprintf("/nick bob%d", nicks))
		return fmt.Sprintf(" is now bob%d\n", nicks)
	})
	var carol *client
	arrive := func() {
		carol = dial(b, two)
		alice.skips("来到我们的聊天室!\n")
	}
	depart := func() {
		carol.say("/quit")
		alice.skips("离开了我们的聊天室!\n")
		carol.Close()
	}
	arrive()
	told("arrival", depart, func(int) string {
		carol = dial(b, two)
		return "来到我们的聊天室!\n"
	})
	told("departure", arrive, func(int) string {
		carol.say("/quit")
		return "离开了我们的聊天室!\n"
	})
}
