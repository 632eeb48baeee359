package main

import (
	"slices"

	"github.com/go-socketserver/socketserver/cmd/socketserver/config"
	"github.com/go-socketserver/socketserver/cmd/socketserver/watch"
)

// followCertificates watches the files of TLS, which are read again when one of them has changed: the
// servers go on as they are, with new certificates.
func (d *daemon) followCertificates(c *config.Config) {
	var files []string
	for _, s := range c.Servers {
		for _, t := range s.Transports {
			files = append(files, t.TLS.Files()...)
		}
	}
	if len(files) > 0 && d.certificates == nil {
		var err error
		if d.certificates, err = watch.New(d.renewals); err != nil {
			d.log.Warn("cannot watch certificates", "error", err, "next", "raise fs.inotify.max_user_instances, or reload by SIGHUP")
			return
		}
	}
	if d.certificates != nil {
		slices.Sort(files)
		d.certificates.Watch(slices.Compact(files), "") // they may have changed since they were read
	}
}
