package supervisor

import (
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/go-socketserver/socketserver/cmd/socketserver/config"
	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/framework/layer"
	"github.com/go-socketserver/socketserver/framework/layer/websocket"
)

// layers returns what the connections of a transport pass, outermost first.
func (i *Instance) layers(t config.Transport) (layers []framework.Layer, err error) {
	if t.TLS != nil {
		secure, err := i.secure(t)
		if err != nil {
			return nil, err
		}
		layers = append(layers, secure)
	}
	if t.WebSocket != nil {
		layers = append(layers, websocket.New(*t.WebSocket))
	}
	return layers, nil
}

// secure returns the TLS layer of a transport: that of the instance before where it has the same files, so that
// clients resume their sessions, or a new one.
func (i *Instance) secure(t config.Transport) (secure *layer.TLS, err error) {
	n := slices.IndexFunc(i.before, func(l *layer.TLS) bool { return reflect.DeepEqual(l.Files(), *t.TLS) })
	if n >= 0 {
		secure = i.before[n]
		_, err = secure.Reload()
	} else {
		secure, err = layer.NewTLS(*t.TLS)
	}
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", t.Word(), t.Address, err)
	}
	warnAboutTLS(i.log, secure)
	i.tls = append(i.tls, secure)
	return secure, nil
}

func warnAboutTLS(log hclog.Logger, secure *layer.TLS) {
	for _, w := range secure.Warnings() {
		log.Warn("a file of TLS needs attention", "file", w.Path, "problem", w.Problem, "next", w.Next)
	}
}

// RenewCertificates reads the files of all TLS layers again. Where new ones cannot be used those that
// were read before stay, and that is logged.
func (s *Supervisor) RenewCertificates() {
	for _, i := range s.running() {
		i.renewCertificates()
	}
}

// renewCertificates returns what it has renewed, for a [Step].
func (i *Instance) renewCertificates() (renewed []string) {
	for _, secure := range i.tls {
		switch changed, err := secure.Reload(); {
		case err != nil:
			i.log.Error("certificates not reloaded; those that were read before stay", "error", err)
		case changed:
			expires := secure.Expires().Format(time.RFC3339)
			i.log.Info("certificates reloaded", "expires", expires)
			warnAboutTLS(i.log, secure)
			renewed = append(renewed, renewal+expires)
		}
	}
	return renewed
}

// renewal is what a [Step] has of certificates, before the time at which the first of them expires.
const renewal = "certificates renewed, the first expires "

// renewals returns what renewCertificates would. An error is one of the configuration, which has been checked.
func (i *Instance) renewals() (renewed []string) {
	for _, secure := range i.tls {
		if expires, changed, err := secure.Renewal(); err == nil && changed {
			renewed = append(renewed, renewal+expires.Format(time.RFC3339))
		}
	}
	return renewed
}
