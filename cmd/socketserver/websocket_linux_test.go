package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/gobwas/ws"
	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/framework/frameworktest"
)

// A page learns whether its request has failed, wherever the handler runs.
func TestCloseCodes(t *testing.T) {
	text := fmt.Sprintf("plugins { directory = %q }\n", programs(t, map[string]string{
		"ok.sh": "#!/bin/sh\nread -r line\necho \"$line\"\n", "failed.sh": "#!/bin/sh\nread -r line\necho \"$line\"\nexit 3\n",
		"ok.py":     "import socketserver\nclass H(socketserver.StreamRequestHandler):\n    def handle(self):\n        self.wfile.write(self.rfile.readline())\n",
		"failed.py": "import socketserver\nclass H(socketserver.StreamRequestHandler):\n    def handle(self):\n        self.wfile.write(self.rfile.readline())\n        raise ValueError\n",
	}))
	kinds := map[string]string{"ok.sh": `plugin "ok.sh"`, "failed.sh": `plugin "failed.sh"`, "ok.py": `plugin "ok.py"`, "failed.py": `plugin "failed.py"`, "failed.idle": `handler "echo"`}
	for kind, handler := range kinds {
		for _, strategy := range []string{"threading", "forking", "preforking"} {
			if !strings.HasSuffix(kind, ".sh") || strategy != "preforking" {
				text += fmt.Sprintf("server %q {\n  transport \"websocket\" { address = \"127.0.0.1:0\" }\n  concurrency %q {}\n  %s {}\n  timeouts { idle = %q }\n}\n",
					kind+"-"+strategy, strategy, handler, map[bool]string{true: "200ms", false: "0"}[kind == "failed.idle"])
			}
		}
	}
	_, listeners := serveFile(t, text)
	for _, l := range listeners {
		t.Run(l.server, func(t *testing.T) {
			t.Parallel()
			conn, _, _, err := ws.Dial(context.Background(), "ws://"+l.address+"/")
			require.NoError(t, err)
			frameworktest.Adopt(t, conn)
			require.NoError(t, ws.WriteFrame(conn, ws.MaskFrame(ws.NewTextFrame([]byte("hello")))))
			require.Equal(t, "hello", payload(t, conn))
			code, _ := ws.ParseCloseFrameData([]byte(payload(t, conn)))
			want := ws.StatusNormalClosure
			if strings.HasPrefix(l.server, "failed") {
				want = ws.StatusInternalServerError
			}
			require.Equal(t, want, code)
		})
	}
}

// payload reads a frame.
func payload(t *testing.T, conn net.Conn) string {
	t.Helper()
	h, err := ws.ReadHeader(conn)
	require.NoError(t, err)
	text := make([]byte, h.Length)
	_, err = io.ReadFull(conn, text)
	require.NoError(t, err)
	return string(text)
}
