package config

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// include reads the files that the attribute of that name lists. A pattern may match none. A file
// is read once, however often it is included.
func (r *reader) include(s *source) {
	a := s.body.Attributes["include"]
	if a == nil {
		return
	}
	r.including = append(r.including, s.name)
	defer func() { r.including = r.including[:len(r.including)-1] }()
	var patterns []string
	b := &block{reader: r, source: s, body: s.body}
	b.set(a, texts(func(list []string) *fault {
		patterns = list
		return nil
	}))
	for _, pattern := range patterns {
		if f := r.includeAll(s.beside(pattern)); f != nil {
			r.add(a.Expr.Range(), &fault{"include: " + f.message, f.next})
		}
	}
}

// includeAll reads the files that match a pattern.
func (r *reader) includeAll(pattern string) *fault {
	r.config.Sources = append(r.config.Sources, pattern)
	files, err := Match(pattern)
	switch {
	case err != nil:
		return faultf("write it as in conf.d/*.hcl", "%q is not a pattern", pattern)
	case len(files) == 0 && !strings.ContainsAny(pattern, `*?[`):
		return faultf("check the path, or write the file", "there is no file %s", pattern)
	}
	for _, name := range files {
		switch info, err := os.Stat(name); {
		case err == nil && !info.Mode().IsRegular(): // the include is where to say so
			return faultf("name files, as in conf.d/*.hcl", "%s is not a regular file", name)
		case r.isRead(name, r.including):
			chain := strings.Join(append(slices.Clone(r.including), name), " includes ")
			return faultf("remove one of them", "%s, which is a cycle", chain)
		case !r.isRead(name, r.names()):
			r.loadFile(name)
		}
	}
	return nil
}

// Match returns the files that match a pattern, without hidden ones, which are those of editors.
func Match(pattern string) ([]string, error) {
	files, err := filepath.Glob(pattern)
	if strings.HasPrefix(filepath.Base(pattern), ".") {
		return files, err
	}
	return slices.DeleteFunc(files, func(name string) bool { return strings.HasPrefix(filepath.Base(name), ".") }), err
}

func (r *reader) names() []string {
	var names []string
	for _, s := range r.files {
		names = append(names, s.name)
	}
	return names
}

// isRead reports whether one of names is the same file as name.
func (r *reader) isRead(name string, names []string) bool {
	info, err := os.Stat(name)
	return err == nil && slices.ContainsFunc(names, func(other string) bool {
		o, err := os.Stat(other)
		return err == nil && os.SameFile(info, o)
	})
}
