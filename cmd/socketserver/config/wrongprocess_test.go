package config_test

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/cmd/socketserver/config"
)

func TestWrongProcess(t *testing.T) {
	for src, want := range map[string]string{
		`umask = "0888"`:                         `umask: "0888" is not an octal mask`,
		"nice = 20":                              "nice: 20 is out of range",
		`limits { file_size = "0" }`:             `limits: file_size: "0" is out of range`,
		`sandbox { read = [""] }`:                "sandbox: read: a path is empty",
		`sandbox { reed = ["/"] }`:               `sandbox: there is no attribute "reed" here; did you mean "read"`,
		`user = "no such user"`:                  `user: there is no user "no such user"`,
		`group = "no such group"`:                `group: there is no group "no such group"`,
		"limits { processes = 3 }":               "limits.processes is 3, and counts the threads of all processes of the user",
		"limits { memory = \"64MiB\" }\nbad = 1": `there is no attribute "bad" here`,
	} {
		if os.Geteuid() != 0 && (src[:4] == "user" || src[:5] == "group") {
			want = "only root can run a process"
		}
		_, err := config.Parse("servers.hcl", []byte("server \"x\" {\n transport \"tcp\" { address = \"localhost:0\" }\n concurrency \"forking\" {}\n handler \"echo\" {}\n process {\n"+src+"\n}\n}\n"), catalog)
		require.ErrorContains(t, err, want)
	}
	_, err := config.Parse("servers.hcl", []byte("server \"x\" {\n transport \"tcp\" { address = \"localhost:0\" }\n concurrency \"threading\" {}\n handler \"echo\" {}\n process { nice = 1 }\n}\n"), catalog)
	require.ErrorContains(t, err, `servers.hcl:5:2: server "x": handler "echo": it runs in the process of the server under "threading", and process is for other ones`)
}
