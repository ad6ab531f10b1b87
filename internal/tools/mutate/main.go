// Command mutate makes small mistakes in the module's source, one at a time, and reports those that
// no test finds:
//
//	mutate -C ../.. -sample 100 -seed 7 internal/retry client.go
//
// A target is a file of the root or the directory of a room. The variable stages lists them; the
// default is all. An overlay holds the mutant, so that the tree stays as it is. The exit status is
// 1 if a mutant survives.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// stages are the tests that can find a mutant of a file or of a directory, as arguments of go test.
// The fastest come first.
var stages = map[string][]string{
	"auth.go":            {".", e2e},
	"webhooks.go":        {".", e2e + " -run Attack"},
	"client.go":          {".", e2e},
	"actions.go":         {".", e2e},
	"internal/clock":     {"./internal/clock", e2e + " -run Clock"},
	"internal/exchange":  {"./internal/exchange", ".", e2e},
	"internal/formbody":  {"./internal/formbody", e2e + " -run Upload|Image|Progress|Timeout"},
	"internal/keyedhash": {"./internal/keyedhash", "."},
	"internal/lenient":   {"./internal/lenient", "."},
	"internal/oneline":   {"./internal/oneline", ".", e2e},
	"internal/redact":    {"./internal/redact", ".", e2e + " -run Secret|Huge"},
	"internal/retry":     {"./internal/retry", e2e + " -run Retr|Delay|Attempt|Wait|Limiter"},
	"internal/turns":     {"./internal/turns", e2e + " -run Ensure"},
}

// e2e are the black-box tests without those of the repository itself.
const e2e = "-skip Rule|TestAPI|Chaos|Every|README ./internal/e2e"

// A mutant is the source of a file with one mistake.
type mutant struct {
	file, target, operator, was, becomes string
	line                                 int
	source                               string
}

func main() {
	dir := flag.String("C", ".", "the `directory` of the module")
	sample := flag.Int("sample", math.MaxInt, "the most mutants to try")
	seed := flag.Uint64("seed", 1, "the seed of the sample")
	limit := flag.Duration("timeout", time.Minute, "the time of one test run")
	flag.Parse()
	if survivors, err := run(*dir, flag.Args(), *sample, *seed, *limit); err != nil || survivors > 0 {
		fmt.Fprintln(os.Stderr, "mutate:", survivors, "survivors, error:", err)
		os.Exit(1)
	}
}

func run(dir string, targets []string, sample int, seed uint64, limit time.Duration) (survivors int, err error) {
	var mutants []mutant
	if len(targets) == 0 {
		targets = slices.Sorted(maps.Keys(stages))
	}
	for _, target := range targets {
		if stages[target] == nil {
			return 0, fmt.Errorf("no tests are known for %q", target)
		}
		if result := try(dir, target, "", limit); result != survived { // otherwise every mutant would seem to be killed
			return 0, fmt.Errorf("the tests of %s fail without a mutant: %s", target, result)
		}
		pattern := filepath.Join(dir, target)
		if !strings.HasSuffix(target, ".go") {
			pattern = filepath.Join(pattern, "*.go")
		}
		files, _ := filepath.Glob(pattern) // the pattern is well-formed
		for _, file := range files {
			found, err := mutantsOf(file, target)
			if err != nil {
				return 0, err
			}
			mutants = append(mutants, found...)
		}
	}
	counts, order := map[string]int{}, rand.New(rand.NewPCG(seed, 0)).Perm(len(mutants)) //nolint:gosec // a sample
	for _, i := range order[:min(sample, len(order))] {
		m := mutants[i]
		result, err := tryMutant(dir, m, limit)
		if err != nil {
			return 0, err
		}
		counts[result]++
		fmt.Printf("%-8s %s:%d: %s: %.60q becomes %.60q\n", result, strings.TrimPrefix(m.file, dir+"/"), m.line, m.operator, m.was, m.becomes)
	}
	fmt.Printf("%d mutants: %v\n", len(mutants), counts)
	return counts[survived], nil
}

// These are the results of a mutant.
const survived, killed, noBuild = "SURVIVED", "killed", "no build"

// tryMutant runs the tests of a mutant.
func tryMutant(dir string, m mutant, limit time.Duration) (result string, err error) {
	temporary, err := os.MkdirTemp("", "mutate")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(temporary)
	original, err := filepath.Abs(m.file)
	mutated, overlay := filepath.Join(temporary, "mutant.go"), filepath.Join(temporary, "overlay.json")
	replace, _ := json.Marshal(map[string]any{"Replace": map[string]string{original: mutated}}) // encoding strings never fails
	if err = errors.Join(err, os.WriteFile(overlay, replace, 0o600), os.WriteFile(mutated, []byte(m.source), 0o600)); err != nil {
		return "", err
	}
	return try(dir, m.target, overlay, limit), nil
}

// try runs the stages of a target until one fails.
func try(dir, target, overlay string, limit time.Duration) (result string) {
	for _, stage := range stages[target] {
		args := []string{"test", "-short", "-count=1", "-failfast", "-vet=off", "-timeout=" + limit.String(), "-overlay=" + overlay}
		ctx, cancel := context.WithTimeout(context.Background(), 5*limit)                    // this limit includes compiling
		command := exec.CommandContext(ctx, "go", append(args, strings.Fields(stage)...)...) //nolint:gosec // of the table above
		command.Dir = dir
		output, err := command.CombinedOutput()
		cancel()
		switch {
		case strings.Contains(string(output), "[build failed]"):
			return noBuild
		case err != nil:
			return killed
		}
	}
	return survived
}

// opposites are the operators that a mutant swaps.
var opposites = map[token.Token]token.Token{
	token.LSS: token.LEQ, token.LEQ: token.LSS, token.GTR: token.GEQ, token.GEQ: token.GTR,
	token.EQL: token.NEQ, token.NEQ: token.EQL, token.LAND: token.LOR, token.LOR: token.LAND,
}

// mutantsOf returns the mutants of a file. It returns none for a test.
func mutantsOf(file, target string) (mutants []mutant, err error) {
	source, err := os.ReadFile(file)
	if err != nil || strings.HasSuffix(file, "_test.go") {
		return nil, err
	}
	set := token.NewFileSet()
	parsed, err := parser.ParseFile(set, file, source, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	change := func(operator string, start, end token.Pos, format string) {
		from, to := set.Position(start), set.Position(end)
		was := string(source[from.Offset:to.Offset])
		becomes := strings.ReplaceAll(format, "$", was)
		mutated := string(source[:from.Offset]) + becomes + string(source[to.Offset:])
		mutants = append(mutants, mutant{file, target, operator, was, becomes, from.Line, mutated})
	}
	negate := func(condition ast.Expr) {
		if binary, ok := condition.(*ast.BinaryExpr); !ok || binary.Op != token.EQL && binary.Op != token.NEQ {
			change("condition", condition.Pos(), condition.End(), "!($)")
		}
	}
	for node := range ast.Preorder(parsed) {
		switch n := node.(type) {
		case *ast.BinaryExpr:
			if to, ok := opposites[n.Op]; ok {
				change("condition", n.OpPos, n.OpPos+token.Pos(len(n.Op.String())), to.String())
			}
		case *ast.IfStmt:
			negate(n.Cond)
		case *ast.SwitchStmt:
			for i := 0; n.Tag == nil && i < len(n.Body.List); i++ {
				for _, condition := range n.Body.List[i].(*ast.CaseClause).List {
					negate(condition)
				}
			}
		case *ast.ExprStmt, *ast.DeferStmt, *ast.IncDecStmt:
			change("dropped", n.Pos(), n.End(), "")
		case *ast.AssignStmt:
			if n.Tok != token.DEFINE {
				change("dropped", n.Pos(), n.End(), "")
			}
		}
	}
	return mutants, nil
}
