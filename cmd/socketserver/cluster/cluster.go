// Package cluster joins a daemon to others by NATS. Each is an instance of one micro service, so that
// $SRV.STATS of that service has the status of all.
package cluster

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"

	"github.com/go-socketserver/socketserver/cmd/socketserver/config"
	"github.com/go-socketserver/socketserver/internal/natsclient"
	"github.com/go-socketserver/socketserver/internal/text"
)

const (
	// Instances answer at once; how many there are is not known.
	firstAnswer = 2 * time.Second        // for the first answer to come
	quiet       = 250 * time.Millisecond // after which no other answer is waited for
)

// What is taken in answer to one question. Whoever can publish in the account may answer it, as often as it likes.
const (
	maxTime    = 5 * time.Second
	maxAnswers = 4096
	maxBytes   = 16 << 20
	maxObjects = 1 << 18 // of JSON, as what is decoded of a small one takes a hundred times its bytes
)

var errTooMuch = fmt.Errorf("more answers come than daemons give: over %d, or %d MiB, or for %v; find who else answers in their place, or give the daemons an account of NATS of their own", maxAnswers, maxBytes>>20, maxTime)

// A Link is the connection of a daemon to its cluster.
type Link struct {
	Conn    *nats.Conn
	Service micro.Service
	Prefix  string // of the subjects of the cluster, with a dot at its end
	where   string
	log     hclog.Logger
	within  time.Duration // all answers to a question; maxTime but in tests
	quiet   time.Duration // as above; longer in tests

	mu     sync.Mutex
	logged string // the kind of problem that was logged last; empty: none since it was joined
}

// Join joins a cluster, now or as soon as it can be reached. status returns what the daemon does; its JSON is an
// object. In place of one that NATS does not take others get a [Problem].
func Join(c config.Cluster, log hclog.Logger, status func() any) (*Link, error) {
	l := &Link{Prefix: "socketserver." + c.Name + ".", where: natsclient.Hosts(c.URL), within: maxTime, quiet: quiet}
	l.log = log.With("cluster", c.Name, "nats", l.where)
	machine, _ := os.Hostname()
	options, err := natsclient.Credentials(c.Credentials)
	if err != nil {
		return nil, fmt.Errorf("cluster: %w", err)
	}
	options = append(append(options, natsclient.Options("socketserver on "+machine)...), nats.RetryOnFailedConnect(true),
		nats.ConnectHandler(func(*nats.Conn) { l.joined() }), nats.ReconnectHandler(func(*nats.Conn) { l.joined() }),
		nats.DisconnectErrHandler(func(c *nats.Conn, err error) {
			if !c.IsClosed() {
				l.problem("the cluster is lost; servers go on, and the daemon joins again when it is back", err)
			}
		}),
		nats.ReconnectErrHandler(func(_ *nats.Conn, err error) {
			l.problem("the cluster cannot be reached; servers go on, and the daemon joins when it can", err)
		}),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			l.problem("NATS reports an error", err)
		}),
	)
	if c.TLS.CA != "" {
		options = append(options, nats.RootCAs(c.TLS.CA))
	}
	if c.TLS.Certificate != "" {
		options = append(options, nats.ClientCert(c.TLS.Certificate, c.TLS.Key))
	}
	if l.Conn, err = nats.Connect(c.URL, options...); err != nil { // of the options: what NATS answers is no error here
		return nil, fmt.Errorf("cluster: %w", err)
	}
	l.Service, err = micro.AddService(l.Conn, micro.Config{
		Name: serviceOf(c.Name), Version: "1.0.0", Description: "servers of socketserver", QueueGroupDisabled: true,
		Metadata: map[string]string{"machine": machine},
		StatsHandler: func(e *micro.Endpoint) any {
			if e.Name != statusEndpoint {
				return nil
			}
			return l.fitting(status())
		},
	})
	if err == nil {
		err = l.Service.AddEndpoint(statusEndpoint, micro.HandlerFunc(func(r micro.Request) {
			_ = r.RespondJSON(l.fitting(status())) // it can be lost, as all of NATS
		}), micro.WithEndpointSubject(l.Prefix+statusEndpoint))
	}
	if err != nil {
		l.Close()
		return nil, fmt.Errorf("cluster: announce the servers: %w", err)
	}
	if l.Conn.IsConnected() {
		l.joined()
	}
	return l, nil
}

// A Problem is what a daemon answers that cannot give its status.
type Problem struct {
	Pid     int    `json:"pid"`
	Problem string `json:"problem"`
}

// fitting returns a status, or why it is not sent: NATS does not take it.
func (l *Link) fitting(status any) any {
	const around = 16 << 10 // bytes of the answer beside it
	answer, err := json.Marshal(status)
	most := l.Conn.MaxPayload() - around
	switch {
	case err != nil:
		return Problem{os.Getpid(), err.Error()}
	case int64(len(answer)) > most:
		return Problem{os.Getpid(), fmt.Sprintf("its status has %d bytes, and NATS takes %d; set a larger max_payload there", len(answer), most)}
	}
	return json.RawMessage(answer)
}

// statusEndpoint is the name of the endpoint that has the status in place of statistics.
const statusEndpoint = "status"

func serviceOf(cluster string) string { return "socketserver-" + cluster }

// Close leaves the cluster.
func (l *Link) Close() { l.Conn.Close() }

func (l *Link) joined() {
	l.mu.Lock()
	l.logged = ""
	l.mu.Unlock()
	l.log.Info("cluster joined")
}

// problem logs a problem unless one of its kind was logged last: the text of each attempt may differ.
func (l *Link) problem(what string, err error) {
	next := remedy(err)
	l.mu.Lock()
	again := l.logged == what+next
	l.logged = what + next
	l.mu.Unlock()
	if !again {
		l.log.Warn(what, "error", natsclient.Reason(err), "next", next)
	}
}

// remedy returns what to do about an error of NATS.
func remedy(err error) string {
	switch {
	case errors.As(err, new(*net.DNSError)):
		return "correct cluster.url"
	case natsclient.IsRefused(err):
		return "set cluster.credentials, or a user in cluster.url"
	case errors.Is(err, nats.ErrPermissionViolation):
		return "allow the user of the cluster socketserver.>, $SRV.> and _INBOX.>"
	case natsclient.IsAway(err):
		return "start NATS, or correct cluster.url"
	}
	return "see the log of NATS"
}

// An Answer is what one daemon of the cluster answers.
type Answer struct {
	Machine string
	Status  json.RawMessage // of Join
}

// Status returns what all daemons of the cluster do.
func (l *Link) Status(ctx context.Context) ([]Answer, error) {
	if !l.Conn.IsConnected() {
		return nil, fmt.Errorf("the cluster at %s cannot be reached now; the log of the daemon has the reason", l.where)
	}
	subject, err := micro.ControlSubject(micro.StatsVerb, l.Service.Info().Name, "")
	if err != nil {
		return nil, err
	}
	var answers []Answer
	err = l.gather(ctx, subject, func(m *nats.Msg) {
		if problem := m.Header.Get(micro.ErrorHeader); problem != "" { // of a daemon of an older version
			status, _ := json.Marshal(Problem{0, text.Line(problem)})
			answers = append(answers, Answer{"?", status})
			return
		}
		var stats micro.Stats
		if json.Unmarshal(m.Data, &stats) != nil {
			return
		}
		for _, e := range stats.Endpoints {
			if e.Name == statusEndpoint {
				answers = append(answers, Answer{stats.Metadata["machine"], e.Data})
			}
		}
	})
	return answers, err
}

// gather asks at a subject and calls add with each answer, until none comes for a while. More than daemons would answer is
// an error.
func (l *Link) gather(ctx context.Context, subject string, add func(*nats.Msg)) error {
	inbox := l.Conn.NewRespInbox()
	answers, err := l.Conn.SubscribeSync(inbox)
	if err != nil {
		return err
	}
	defer func() { _ = answers.Unsubscribe() }()
	if err := answers.SetPendingLimits(maxAnswers, maxBytes); err != nil {
		return err
	}
	if err := l.Conn.PublishRequest(subject, inbox, nil); err != nil {
		return err
	}
	all, cancel := context.WithTimeoutCause(ctx, l.within, errTooMuch)
	defer cancel()
	var number, size, objects int
	for wait := firstAnswer; ; wait = l.quiet {
		within, cancel := context.WithTimeout(all, wait)
		m, err := answers.NextMsgWithContext(within)
		cancel()
		switch {
		case err == nil:
		case all.Err() != nil:
			return context.Cause(all)
		case errors.Is(err, context.DeadlineExceeded), errors.Is(err, nats.ErrNoResponders):
			return nil
		case errors.Is(err, nats.ErrSlowConsumer): // it was not read as fast as it came
			return errTooMuch
		default:
			return err
		}
		number, size, objects = number+1, size+len(m.Data), objects+bytes.Count(m.Data, []byte("{"))
		if number > maxAnswers || size > maxBytes || objects > maxObjects {
			return errTooMuch
		}
		add(m)
	}
}
