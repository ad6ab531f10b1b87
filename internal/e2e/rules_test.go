package e2e_test

import (
	"bytes"
	"cmp"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/idngo-go/idngo/internal/e2e/faultnet"
)

// The tests of this file check the rules of the repository. A change that breaks a rule must change
// its table here, where a reviewer sees it.

// modulePath is the path of the root.
const modulePath = "github.com/idngo-go/idngo"

// rootFiles are the source files of the root, with the number of lines that each may have.
var rootFiles = map[string]int{
	"client.go":    850,
	"auth.go":      450,
	"actions.go":   800,
	"images.go":    400,
	"webhooks.go":  500,
	"models.go":    1000,
	"errors.go":    400,
	"simulator.go": 250,
}

// mostRootLines is the number of lines that the sources of the root may have together. It may grow
// with new parts, up to the sum of rootFiles.
const mostRootLines = 4650

// rootEntries are the other entries of the root. Entries that begin with a dot are also allowed.
var rootEntries = []string{
	"LICENSE", "README.md", "examples", "go.mod", "go.sum", "internal", "testdata",
	"example_test.go", "bench_test.go",
}

// rooms are the packages of the module that users link, with the packages of the module that each
// may import. No room imports the root.
var rooms = map[string][]string{
	".": {
		"internal/exchange", "internal/retry", "internal/clock", "internal/redact", "internal/lenient",
		"internal/formbody", "internal/keyedhash", "internal/oneline", "internal/turns", "internal/simulator",
	},
	"internal/exchange":  {"internal/clock", "internal/formbody", "internal/keyedhash", "internal/retry"},
	"internal/retry":     nil,
	"internal/clock":     nil,
	"internal/redact":    nil,
	"internal/lenient":   nil,
	"internal/formbody":  nil,
	"internal/keyedhash": nil,
	"internal/oneline":   nil,
	"internal/turns":     nil,
	"internal/simulator": nil,
}

// notRooms are the directories of internal/ that no user links.
var notRooms = []string{"internal/e2e", "internal/race", "internal/tools"}

// These are the limits for functions and lines.
const (
	mostFunctionLines = 60
	mostEngineLines   = 40 // for a function of an engineFile
	mostColumns       = 140
)

// engineFiles are the files of the root and the rooms whose code runs in every call.
var engineFiles = []string{"client.go", "internal/exchange"}

// notYet names the findings that a rule ignores for now. If such a finding no longer breaks its
// rule, the test fails.
var notYet = map[string][]string{}

// A finding is something that breaks a rule. notYet refers to it by its name.
type finding struct{ name, detail string }

// assertRule reports the findings of a rule, except those that notYet names.
func assertRule(t *testing.T, rule string, findings []finding) {
	t.Helper()
	found := map[string]bool{}
	for _, f := range findings {
		found[f.name] = true
		if !slices.Contains(notYet[rule], f.name) {
			t.Errorf("%s: %s %s", rule, f.name, f.detail)
		}
	}
	for _, name := range notYet[rule] {
		if !found[name] {
			t.Errorf("%s: %q holds now, remove it from notYet", rule, name)
		}
	}
}

// goFiles returns the Go files of the root module. Their paths are relative to the root and have
// slashes.
func goFiles(t *testing.T) []string {
	t.Helper()
	return findGoFiles(t, false)
}

// findGoFiles returns the Go files of the repository. If nested is set, it includes those of nested
// modules.
func findGoFiles(t *testing.T, nested bool) (files []string) {
	t.Helper()
	root := faultnet.Path(t)
	require.NoError(t, filepath.WalkDir(root, func(name string, entry fs.DirEntry, err error) error {
		if err != nil || name == root {
			return err
		}
		if entry.IsDir() {
			_, noModule := os.Stat(filepath.Join(name, "go.mod"))
			if strings.HasPrefix(entry.Name(), ".") || noModule == nil && !nested {
				return filepath.SkipDir
			}
			return nil
		}
		if strings.HasSuffix(name, ".go") {
			relative, err := filepath.Rel(root, name)
			files = append(files, filepath.ToSlash(relative))
			return err
		}
		return nil
	}))
	require.NotEmpty(t, files)
	return files
}

// runGo runs the go command in the root of the repository and returns its output.
func runGo(t *testing.T, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", args...)
	cmd.Dir = faultnet.Path(t)
	cmd.Env = append(os.Environ(), "GOWORK=off")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	require.NoError(t, err, "go %s: %s", strings.Join(args, " "), stderr.String())
	return string(out)
}

func TestRuleLayout(t *testing.T) {
	t.Parallel()
	want := slices.Clone(rootEntries)
	for name := range rootFiles {
		want = append(want, name, strings.TrimSuffix(name, ".go")+"_test.go")
	}
	// A build or a test run may leave these files behind.
	ignored := strings.Fields(string(faultnet.ReadFile(t, faultnet.Path(t, ".gitignore"))))
	entries, err := os.ReadDir(faultnet.Path(t))
	require.NoError(t, err)
	var have []string
	var findings []finding
	for _, entry := range entries {
		name := entry.Name()
		if strings.HasPrefix(name, ".") || slices.ContainsFunc(ignored, func(pattern string) bool {
			matches, _ := path.Match(pattern, name)
			return matches
		}) {
			continue
		}
		have = append(have, name)
		if !slices.Contains(want, name) {
			findings = append(findings, finding{name: name + " is unexpected"})
		}
	}
	for _, name := range want {
		if !slices.Contains(have, name) {
			findings = append(findings, finding{name: name + " is missing"})
		}
	}
	assertRule(t, "layout", findings)
}

// The module has three direct dependencies, of which a user's program links one.
func TestRuleDependencies(t *testing.T) {
	t.Parallel()
	direct := strings.Fields(runGo(t, "list", "-m", "-f", "{{if not (or .Main .Indirect)}}{{.Path}}{{end}}", "all"))
	assert.ElementsMatch(t, []string{
		"github.com/google/go-querystring", "github.com/jarcoal/httpmock", "github.com/stretchr/testify",
	}, direct)
	linked := strings.Fields(runGo(t, "list", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", "."))
	for _, pkg := range linked {
		if strings.HasPrefix(pkg, "github.com/google/go-querystring/") {
			continue
		}
		name, own := strings.CutPrefix(pkg, modulePath)
		name = strings.TrimPrefix(name, "/")
		assert.True(t, own, "the root links %s", pkg)
		assert.True(t, name == "" || slices.Contains(rooms["."], name), "the root links %s, which is no room", pkg)
	}
}

func TestRuleGoDirective(t *testing.T) {
	t.Parallel()
	lines := strings.Split(string(faultnet.ReadFile(t, faultnet.Path(t, "go.mod"))), "\n")
	assert.Contains(t, lines, "go 1.25.0", "the oldest Go that users may have")
	for _, line := range lines {
		assert.False(t, strings.HasPrefix(line, "toolchain"), "a toolchain line would be forced on users: %s", line)
	}
}

// Every file is formatted, also in nested modules.
func TestRuleFormat(t *testing.T) {
	t.Parallel()
	gofmt := filepath.Join(strings.TrimSpace(runGo(t, "env", "GOROOT")), "bin", "gofmt")
	cmd := exec.CommandContext(t.Context(), gofmt, append([]string{"-s", "-l"}, findGoFiles(t, true)...)...)
	cmd.Dir = faultnet.Path(t)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	assert.Empty(t, string(out), "gofmt -s would change these files")
}

// A program that makes no simulator links no part of it. The second program makes one, which shows
// that the test would notice.
func TestRuleSimulatorIsNotLinked(t *testing.T) {
	t.Parallel()
	skipIfShort(t, "it links programs")
	for name, program := range map[string]struct {
		source string
		linked bool
	}{
		"client": {
			source: "package main\n\nimport \"" + modulePath + "\"\n\n" +
				"func main() {\n\tclient, err := idngo.NewClientFromEnv()\n\tprintln(client.String(), err)\n}\n",
		},
		"simulator": {
			source: "package main\n\nimport \"" + modulePath + "/internal/simulator\"\n\n" +
				"func main() {\n\tserver, err := simulator.New(simulator.Config{})\n\tprintln(server, err)\n}\n",
			linked: true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if program.linked && !faultnet.Long() {
				t.Skip("without " + faultnet.LongRun + ": it links a second program, which shows that the test can fail")
			}
			symbols := symbolsOf(t, name, program.source)
			require.Contains(t, symbols, " "+modulePath, "the symbols are named as expected")
			var found []string
			for line := range strings.Lines(symbols) {
				if strings.Contains(line, modulePath+"/internal/simulator") || strings.Contains(line, modulePath+".NewSimulator") {
					found = append(found, strings.TrimSpace(line))
				}
			}
			if program.linked {
				assert.NotEmpty(t, found)
			} else {
				assert.Empty(t, found)
			}
		})
	}
}

// symbolsOf builds a program and returns the output of go tool nm.
func symbolsOf(t *testing.T, name, source string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "main.go")
	require.NoError(t, os.WriteFile(file, []byte(source), 0o600))
	// The overlay puts the program into the module. It builds with this go.mod and may import internal
	// packages.
	overlay := writeOverlay(t, map[string]string{faultnet.Path(t, "internal", "e2e", "linked", name, "main.go"): file})
	binary := filepath.Join(t.TempDir(), "program.exe")
	runGo(t, "build", "-overlay", overlay, "-o", binary, "./internal/e2e/linked/"+name)
	return runGo(t, "tool", "nm", binary)
}

// The packages of the module import only the rooms that the table allows, and no room links the
// package testing. The tests of a room may also import the room itself and the packages of
// notRooms.
func TestRuleRooms(t *testing.T) {
	t.Parallel()
	var findings []finding
	found := map[string]bool{}
	for _, file := range goFiles(t) {
		room := path.Dir(file)
		if strings.HasPrefix(room, "examples") || isBelow(room, notRooms) {
			continue
		}
		if _, known := rooms[room]; !found[room] && !known {
			findings = append(findings, finding{name: room + " is not in the table of rooms"})
		}
		found[room] = true
		for _, imported := range wrongImports(t, file) {
			findings = append(findings, finding{name: file + " imports " + imported})
		}
	}
	for room := range rooms {
		if !found[room] {
			findings = append(findings, finding{name: room + " does not exist"})
		}
	}
	assertRule(t, "rooms", findings)
}

// isBelow reports whether a directory is one of dirs or below one.
func isBelow(name string, dirs []string) bool {
	return slices.ContainsFunc(dirs, func(dir string) bool { return name == dir || strings.HasPrefix(name, dir+"/") })
}

// wrongImports returns the imports of a file that its room may not have.
func wrongImports(t *testing.T, file string) (wrong []string) {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), faultnet.Path(t, file), nil, parser.ImportsOnly)
	require.NoError(t, err)
	room, isTest := path.Dir(file), strings.HasSuffix(file, "_test.go")
	for _, spec := range parsed.Imports {
		name := strings.Trim(spec.Path.Value, `"`)
		imported, own := strings.CutPrefix(name, modulePath)
		imported = cmp.Or(strings.TrimPrefix(imported, "/"), ".")
		switch {
		case !own && !isTest && (name == "testing" || strings.HasPrefix(name, "testing/")):
			wrong = append(wrong, name)
		case !own, slices.Contains(rooms[room], imported):
		case isTest && (imported == room || isBelow(imported, notRooms)):
		default:
			wrong = append(wrong, imported)
		}
	}
	return wrong
}

func TestRuleLinesOfFiles(t *testing.T) {
	t.Parallel()
	var findings []finding
	sum := 0
	for name, most := range rootFiles {
		source, err := os.ReadFile(faultnet.Path(t, name))
		if os.IsNotExist(err) {
			continue // TestRuleLayout reports it
		}
		require.NoError(t, err)
		lines := bytes.Count(source, []byte("\n"))
		sum += lines
		if lines > most {
			findings = append(findings, finding{name, fmt.Sprintf("has %d lines, %d at most", lines, most)})
		}
	}
	assertRule(t, "lines of a file", findings)
	findings = nil
	if sum > mostRootLines {
		findings = append(findings, finding{"the root", fmt.Sprintf("has %d lines, %d at most", sum, mostRootLines)})
	}
	assertRule(t, "lines of the sum", findings)
}

// Functions of the root and of the rooms are short, and so are functions in package variables.
// Tests have no limit.
func TestRuleFunctionLengths(t *testing.T) {
	t.Parallel()
	var findings []finding
	for _, file := range goFiles(t) {
		_, room := rooms[path.Dir(file)]
		if !room && !strings.HasPrefix(file, "examples/") || strings.HasSuffix(file, "_test.go") {
			continue
		}
		most := mostFunctionLines
		if slices.Contains(engineFiles, file) || slices.Contains(engineFiles, path.Dir(file)) {
			most = mostEngineLines
		}
		for name, lines := range functionLengths(t, file) {
			if lines > most {
				findings = append(findings, finding{file + ": " + name, fmt.Sprintf("has %d lines, %d at most", lines, most)})
			}
		}
	}
	assertRule(t, "function length", findings)
}

// functionLengths returns the number of lines of each function of a file. A function in a package
// variable is named by its line.
func functionLengths(t *testing.T, file string) map[string]int {
	t.Helper()
	set := token.NewFileSet()
	parsed, err := parser.ParseFile(set, faultnet.Path(t, file), nil, parser.SkipObjectResolution)
	require.NoError(t, err)
	lengths := map[string]int{}
	measure := func(name string, function ast.Node) {
		lengths[name] = set.Position(function.End()).Line - set.Position(function.Pos()).Line + 1
	}
	for _, decl := range parsed.Decls {
		if function, ok := decl.(*ast.FuncDecl); ok {
			measure(methodName(function), function)
			continue
		}
		ast.Inspect(decl, func(node ast.Node) bool {
			function, ok := node.(*ast.FuncLit)
			if ok {
				measure(fmt.Sprintf("the function in line %d", set.Position(function.Pos()).Line), function)
			}
			return !ok
		})
	}
	return lengths
}

// methodName returns the name of a function. The name of a method includes its receiver.
func methodName(function *ast.FuncDecl) string {
	if function.Recv == nil {
		return function.Name.Name
	}
	receiver := function.Recv.List[0].Type
	if pointer, ok := receiver.(*ast.StarExpr); ok {
		receiver = pointer.X
	}
	if generic, ok := receiver.(*ast.IndexExpr); ok {
		receiver = generic.X
	}
	return fmt.Sprintf("%v.%s", receiver, function.Name.Name)
}

// A line of Go has at most 140 characters. A tab counts as one.
func TestRuleLineLengths(t *testing.T) {
	t.Parallel()
	var findings []finding
	for _, file := range goFiles(t) {
		number := 0
		for line := range strings.Lines(string(faultnet.ReadFile(t, faultnet.Path(t, file)))) {
			number++
			if utf8.RuneCountInString(strings.TrimSuffix(line, "\n")) > mostColumns {
				findings = append(findings, finding{file, fmt.Sprintf("has more than %d characters in line %d", mostColumns, number)})
			}
		}
	}
	assertRule(t, "line length", findings)
}
