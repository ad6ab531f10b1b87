package e2e_test

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/doc"
	"go/parser"
	"go/printer"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/idngo-go/idngo/internal/e2e/faultnet"
)

// testdata/api.txt lists the exported API, one line for each name. A change of the API must be made
// there too (-update), where a reviewer sees it. .ci/api compares the API with apidiff.
func TestAPI(t *testing.T) {
	t.Parallel()
	golden := faultnet.Testdata(t, "api.txt")
	got := listAPI(t)
	if *update {
		require.NoError(t, os.WriteFile(golden, []byte(strings.Join(got, "\n")+"\n"), 0o600))
	}
	want := strings.Split(strings.TrimSpace(string(faultnet.ReadFile(t, golden))), "\n")
	var gone, added []string
	for _, line := range want {
		if !slices.Contains(got, line) {
			gone = append(gone, "- "+line)
		}
	}
	for _, line := range got {
		if !slices.Contains(want, line) {
			added = append(added, "+ "+line)
		}
	}
	verdict := "a compatible change"
	if len(gone) > 0 {
		verdict = "a BREAKING change"
	}
	for _, line := range added {
		typ, _, _ := strings.Cut(strings.TrimPrefix(line, "+ method ("), ")")
		if slices.Contains(want, "type "+typ+" interface") {
			verdict = "a BREAKING change for those who implement it"
		}
	}
	if len(gone)+len(added) > 0 {
		t.Errorf("the exported API differs from testdata/api.txt: %s\n%s\n"+
			"If it is meant: go test -run TestAPI ./internal/e2e -update, and .ci/api to compare with apidiff.",
			verdict, strings.Join(append(gone, added...), "\n"))
	}
}

// Every exported name has a doc comment: types, fields, functions, methods, constants and
// variables. The comment of a group counts for its constants, and a comment of fields for those
// below it.
func TestEverythingIsDocumented(t *testing.T) {
	t.Parallel()
	pkg, fset := parsePackage(t)
	total := 0
	check := func(node ast.Node, name, comment string) {
		if total++; strings.TrimSpace(comment) == "" {
			at := fset.Position(node.Pos())
			t.Errorf("%s:%d: %s has no doc comment", filepath.Base(at.Filename), at.Line, name)
		}
	}
	values := func(groups []*doc.Value) {
		for _, group := range groups {
			for _, spec := range group.Decl.Specs {
				value := spec.(*ast.ValueSpec)
				for _, name := range value.Names {
					if name.IsExported() {
						own := value.Doc.Text() + value.Comment.Text()
						if group.Decl.Tok == token.CONST {
							own += group.Doc // a comment of the group documents every constant in it
						}
						check(name, name.Name, own)
					}
				}
			}
		}
	}
	values(pkg.Consts)
	values(pkg.Vars)
	for _, f := range pkg.Funcs {
		check(f.Decl, f.Name, f.Doc)
	}
	for _, typ := range pkg.Types {
		check(typ.Decl.Specs[0], typ.Name, typ.Doc)
		values(typ.Consts)
		values(typ.Vars)
		for _, f := range slices.Concat(typ.Funcs, typ.Methods) {
			check(f.Decl, typ.Name+"."+f.Name, f.Doc)
		}
		var fields *ast.FieldList
		switch kind := typ.Decl.Specs[0].(*ast.TypeSpec).Type.(type) {
		case *ast.StructType:
			fields = kind.Fields
		case *ast.InterfaceType:
			fields = kind.Methods
		default:
			continue
		}
		above, end := "", 0 // a comment documents the fields below it, up to an empty line
		for _, field := range fields.List {
			if line := fset.Position(field.Pos()).Line; field.Doc.Text() != "" || line > end+1 {
				above = field.Doc.Text()
			}
			end = fset.Position(field.End()).Line
			for _, name := range field.Names {
				if name.IsExported() && ast.IsExported(typ.Name) {
					check(name, typ.Name+"."+name.Name, field.Doc.Text()+field.Comment.Text()+above)
				}
			}
		}
	}
	assert.Greater(t, total, 300, "the check sees the package")
	require.NotEmpty(t, pkg.Doc)
}

// parsePackage parses the source files of the root.
func parsePackage(t *testing.T) (*doc.Package, *token.FileSet) {
	t.Helper()
	fset := token.NewFileSet()
	names, err := filepath.Glob(faultnet.Path(t, "*.go"))
	require.NoError(t, err)
	var files []*ast.File
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(fset, name, nil, parser.ParseComments)
		require.NoError(t, err)
		files = append(files, file)
	}
	pkg, err := doc.NewFromFiles(fset, files, "github.com/idngo-go/idngo")
	require.NoError(t, err)
	return pkg, fset
}

// listAPI returns a line for each exported name.
func listAPI(t *testing.T) (lines []string) {
	t.Helper()
	pkg, fset := parsePackage(t)
	text := func(node any) string {
		var b bytes.Buffer
		require.NoError(t, printer.Fprint(&b, fset, node))
		line := strings.Join(strings.Fields(b.String()), " ")
		return strings.NewReplacer("( ", "(", ", )", ")").Replace(line) // the text on one line
	}
	add := func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) }
	signature := func(decl *ast.FuncDecl) string { return strings.TrimPrefix(text(decl.Type), "func") }
	values := func(groups []*doc.Value) {
		for _, group := range groups {
			for _, spec := range group.Decl.Specs {
				value := spec.(*ast.ValueSpec)
				for i, name := range value.Names {
					if !name.IsExported() {
						continue
					}
					line := group.Decl.Tok.String() + " " + name.Name
					if value.Type != nil {
						line += " " + text(value.Type)
					}
					if group.Decl.Tok == token.CONST && i < len(value.Values) {
						line += " = " + text(value.Values[i])
					}
					add("%s", line)
				}
			}
		}
	}
	values(pkg.Consts)
	values(pkg.Vars)
	for _, f := range pkg.Funcs {
		add("func %s%s", f.Name, signature(f.Decl))
	}
	for _, typ := range pkg.Types {
		if !ast.IsExported(typ.Name) {
			continue
		}
		values(typ.Consts)
		values(typ.Vars)
		for _, f := range typ.Funcs {
			add("func %s%s", f.Name, signature(f.Decl))
		}
		for _, f := range typ.Methods {
			add("method (%s) %s%s", f.Recv, f.Name, signature(f.Decl))
		}
		switch spec := typ.Decl.Specs[0].(*ast.TypeSpec); kind := spec.Type.(type) {
		case *ast.StructType:
			add("type %s struct", typ.Name)
			for _, field := range kind.Fields.List {
				tag := ""
				if field.Tag != nil {
					tag = " " + field.Tag.Value
				}
				for _, name := range field.Names {
					if name.IsExported() {
						add("field %s.%s %s%s", typ.Name, name.Name, text(field.Type), tag)
					}
				}
				if len(field.Names) == 0 && strings.ContainsFunc(text(field.Type), func(r rune) bool { return 'A' <= r && r <= 'Z' }) {
					add("field %s embeds %s", typ.Name, text(field.Type))
				}
			}
		case *ast.InterfaceType:
			add("type %s interface", typ.Name)
			for _, m := range kind.Methods.List {
				for _, name := range m.Names {
					add("method (%s) %s%s", typ.Name, name.Name, strings.TrimPrefix(text(m.Type), "func"))
				}
			}
		default:
			add("type %s %s", typ.Name, text(kind))
		}
	}
	slices.Sort(lines)
	return lines
}
