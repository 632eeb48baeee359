package main

import (
	"slices"

	"github.com/go-socketserver/socketserver/cmd/socketserver/config"
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
	slices.Sort(files)
	d.certificates = d.followFiles(d.certificates, d.renewals, "certificates", slices.Compact(files), "") // they may have changed since they were read
}
