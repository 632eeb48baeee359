package framework

import (
	"embed"
	"fmt"
	"hash/fnv"
	"io"
	"io/fs"
	"reflect"
)

// sourceFiles are those of this package and of its internal ones. The patterns leave out
// tests, whose names end in st.go, as that of request.go does.
//
//go:embed *[^t].go *[^s]t.go request.go internal/*/*[^t].go internal/*/*[^s]t.go
var sourceFiles embed.FS

// Fingerprint names the source of this package together with that of others, for [Build].
// It depends on nothing else: two programs built from one tree have the same, also where
// they were not built from a repository. It tells builds apart by mistake, not by malice.
func Fingerprint(others ...embed.FS) string {
	sum := fnv.New64a()
	for _, tree := range append(others, sourceFiles) {
		if !addHashes(sum, tree) {
			addContents(sum, tree)
		}
	}
	return fmt.Sprintf("%016x", sum.Sum64())
}

// addHashes adds the hash that the compiler keeps of every file. It is not exported, but a
// worker makes its fingerprint at every start, and reading the files would cost it a third
// of that. It returns false, having added nothing, where there is no such hash.
func addHashes(sum io.Writer, tree embed.FS) bool {
	list := reflect.ValueOf(tree).FieldByName("files")
	if list.Kind() != reflect.Pointer || list.IsNil() || list.Type().Elem().Kind() != reflect.Slice {
		return false
	}
	file := list.Type().Elem().Elem()
	if file.Kind() != reflect.Struct {
		return false
	}
	name, named := file.FieldByName("name")
	hash, hashed := file.FieldByName("hash")
	if !named || !hashed || name.Type.Kind() != reflect.String || hash.Type != reflect.TypeFor[[16]uint8]() {
		return false
	}
	for i := range list.Elem().Len() {
		f := list.Elem().Index(i)
		_, _ = io.WriteString(sum, f.FieldByIndex(name.Index).String())
		_, _ = sum.Write(f.FieldByIndex(hash.Index).Bytes())
	}
	return true
}

// addContents adds the files themselves. Neither walking nor reading fails, as they are
// part of the program.
func addContents(sum io.Writer, tree embed.FS) {
	_ = fs.WalkDir(tree, ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		data, err := tree.ReadFile(path)
		_, _ = io.WriteString(sum, path)
		_, _ = sum.Write(data)
		return err
	})
}
