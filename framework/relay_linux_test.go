package framework_test

import (
	"context"
	"net"
)

// passing is a layer that changes nothing.
type passing struct{}

func (passing) Wrap(_ context.Context, c net.Conn) (net.Conn, error) { return passed{c}, nil }

type passed struct{ net.Conn }
