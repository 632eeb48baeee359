package upgrade

import (
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/go-socketserver/socketserver/cmd/socketserver/supervisor"
)

// A Predecessor is the process in whose place this one was started. Without one all is zero.
type Predecessor struct {
	Sockets   []supervisor.Passed // that are its, and are served here as well
	Suspended []string            // its servers that are
	Stderr    *os.File            // standard error from Ready on
	channel   *os.File
}

// Inherit takes what the process before this one has passed on, once.
func Inherit() (*Predecessor, error) {
	text, ok := os.LookupEnv(variable)
	if !ok {
		return &Predecessor{}, nil
	}
	_ = os.Unsetenv(variable)
	var i inheritance
	if err := json.Unmarshal([]byte(text), &i); err != nil {
		return nil, fmt.Errorf("read %s: %w", variable, err)
	}
	p := &Predecessor{channel: open(i.Channel, "channel"), Stderr: open(i.Stderr, "stderr"), Suspended: i.Suspended}
	for _, s := range i.Sockets {
		s.Passed.File = open(s.File, s.Name)
		if s.Lock != 0 {
			s.Passed.Lock = open(s.Lock, s.Address+".lock")
		}
		p.Sockets = append(p.Sockets, s.Passed)
	}
	return p, nil
}

// Ready is called when this process serves. It has own take over the sockets once the process before
// has let go of them and takes no more requests; that one says that it was upgraded when own has returned.
func (p *Predecessor) Ready(own func()) {
	if p.channel == nil {
		own()
		return
	}
	_, _ = p.channel.Write([]byte{1})
	_, _ = io.Copy(io.Discard, p.channel) // it may also have been killed
	_ = p.channel.Close()
	own()
	redirect(p.Stderr)
}
