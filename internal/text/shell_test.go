package text

import (
	"os/exec"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestShellWord(t *testing.T) {
	assert.Equal(t, "plugins/hello.sh", ShellWord("plugins/hello.sh"), "is easier to read without quotation marks")
	for _, s := range []string{"", "a b", "it's", `"`, `\`, "$HOME", "`id`", "a;b", "*", "~", "#", "!", "ünder", "a\nb"} {
		said, err := exec.Command("/bin/sh", "-c", "printf %s "+ShellWord(s)).Output()
		require.NoError(t, err, s)
		assert.Equal(t, s, string(said))
	}
}
