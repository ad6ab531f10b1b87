package e2e_test

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/idngo-go/idngo/internal/e2e/faultnet"
)

// assumption is an entry of testdata/assumptions.json: an inference of the client about the wire.
type assumption struct {
	ID, Section, Assume, Source, WhenWrong, Switch string
	ClientWorks                                    *bool
	Docs, Code                                     []place
}

// place is a symbol in a file of the root: Type, Type.Field, Type.Method or Func.
type place struct{ File, Symbol string }

// readAssumptions reads the assumptions from testdata.
func readAssumptions(t *testing.T) []assumption {
	t.Helper()
	var file struct{ Assumptions []assumption }
	require.NoError(t, json.Unmarshal(faultnet.ReadFile(t, faultnet.Path(t, "testdata", "assumptions.json")), &file))
	require.NotEmpty(t, file.Assumptions)
	return file.Assumptions
}

// inferred matches the words that mark a comment about an inference.
var inferred = regexp.MustCompile(`(?i)\b(not documented|undocumented|inferred)\b`)

// TestAssumptions compares the comments of the root with testdata/assumptions.json. A test in
// examples/doctor compares the doctor's own list with it.
func TestAssumptions(t *testing.T) {
	t.Parallel()
	comments := rootComments(t)
	named := map[place]bool{}
	ids := map[string]bool{}
	for _, a := range readAssumptions(t) {
		assert.Regexp(t, `^[a-z]+(-[a-z]+)*$`, a.ID)
		assert.False(t, ids[a.ID], "%s is there twice", a.ID)
		ids[a.ID] = true
		assert.Contains(t, []string{"wire", "webhooks"}, a.Section, a.ID)
		for _, text := range []string{a.Assume, a.Source, a.WhenWrong, a.Switch} {
			assert.NotEmpty(t, text, a.ID)
		}
		assert.NotNil(t, a.ClientWorks, a.ID)
		assert.NotEmpty(t, a.Docs, a.ID)
		assert.NotEmpty(t, a.Code, a.ID)
		for _, where := range slices.Concat(a.Docs, a.Code) {
			_, known := comments[where]
			assert.True(t, known, "%s: %s has no symbol %s", a.ID, where.File, where.Symbol)
		}
		for _, where := range a.Docs {
			named[where] = true
		}
	}
	for where, comment := range comments {
		if inferred.MatchString(comment) {
			assert.True(t, named[where],
				"the comment of %s in %s says %q, and the docs of no assumption name it", where.Symbol, where.File, inferred.FindString(comment))
		}
	}
}

// The table in internal/README.md has a row for each assumption, in the same order.
func TestAssumptionsTable(t *testing.T) {
	t.Parallel()
	readme := string(faultnet.ReadFile(t, faultnet.Path(t, "internal", "README.md")))
	_, section, found := strings.Cut(readme, "\n## Assumptions about the wire\n")
	require.True(t, found)
	var rows []string
	for line := range strings.Lines(section) {
		if strings.HasPrefix(line, "## ") {
			break
		}
		if strings.HasPrefix(line, "| `") {
			rows = append(rows, strings.TrimSuffix(line, "\n"))
		}
	}
	var want []string
	for _, a := range readAssumptions(t) {
		want = append(want, "| `"+a.ID+"` | "+a.Assume+" | "+a.WhenWrong+" |")
	}
	assert.Equal(t, want, rows)
}

// rootComments returns the comment of every symbol of the root, "" for a symbol without one. It
// leaves out the package comment, which explains the words that inferred matches.
func rootComments(t *testing.T) map[place]string {
	t.Helper()
	comments := map[place]string{}
	for _, file := range goFiles(t) {
		if path.Dir(file) != "." || strings.HasSuffix(file, "_test.go") {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), faultnet.Path(t, file), nil, parser.ParseComments)
		require.NoError(t, err)
		add := func(symbol string, groups ...*ast.CommentGroup) {
			for _, group := range groups {
				// Lines are joined, since a phrase may be broken between two of them.
				comments[place{file, symbol}] += strings.Join(strings.Fields(group.Text()), " ") + " "
			}
		}
		attached := map[*ast.CommentGroup]bool{parsed.Doc: true}
		for _, decl := range parsed.Decls {
			addComments(decl, func(symbol string, groups ...*ast.CommentGroup) {
				add(symbol, groups...)
				for _, group := range groups {
					attached[group] = true
				}
			})
		}
		for _, group := range parsed.Comments { // the comments inside of functions and between declarations
			if !attached[group] {
				add("a comment of no symbol", group)
			}
		}
	}
	return comments
}

// addComments adds the comments of a declaration.
func addComments(decl ast.Decl, add func(symbol string, groups ...*ast.CommentGroup)) {
	switch decl := decl.(type) {
	case *ast.FuncDecl:
		name := decl.Name.Name
		if decl.Recv != nil {
			receiver := decl.Recv.List[0].Type
			if pointer, ok := receiver.(*ast.StarExpr); ok {
				receiver = pointer.X
			}
			name = receiver.(*ast.Ident).Name + "." + name
		}
		add(name, decl.Doc)
	case *ast.GenDecl:
		for _, spec := range decl.Specs {
			switch spec := spec.(type) {
			case *ast.ValueSpec:
				for _, name := range spec.Names {
					add(name.Name, decl.Doc, spec.Doc, spec.Comment)
				}
			case *ast.TypeSpec:
				add(spec.Name.Name, decl.Doc, spec.Doc, spec.Comment)
				if structure, ok := spec.Type.(*ast.StructType); ok {
					for _, field := range structure.Fields.List {
						for _, name := range field.Names {
							add(spec.Name.Name+"."+name.Name, field.Doc, field.Comment)
						}
					}
				}
			}
		}
	}
}
