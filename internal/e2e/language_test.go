package e2e_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/idngo-go/idngo/internal/e2e/faultnet"
)

// The rules of the language. .github/CONTRIBUTING.md has the style that they are a part of. They
// read the comments of all Go files, the string literals of those that are not tests, and the
// documents in Markdown.

const (
	mostCommentColumns = 100 // of a line that is a comment, a tab counted as one
	mostSentenceWords  = 45  // a sentence that needs more is two sentences
)

// bannedWords are words that readers had to read twice, and the words to use instead. All letters
// are matched in both cases.
var bannedWords = []struct {
	pattern string
	instead string
	allowed string // matches that are innocent
}{
	{pattern: `\bcareful(ly)?\b`, instead: "not idempotent, or the rule itself"},
	{pattern: `\brepeatab(le|ly)\b`, instead: "idempotent"},
	{pattern: `\bsilences?\b`, instead: "the time without progress"},
	{pattern: `\btime-outs?\b`, instead: "timeout"},
	{pattern: `\blook(s|ed|ing)?\b( up| like|-up)?`, instead: "fetch, read, check", allowed: `( up| like|-up)$`},
	{pattern: `\bwhose word\b`, instead: "the source"},
	{pattern: `\bthe word of\b`, instead: "the documentation of"},
	{pattern: `\bfamil(y|ies)\b`, instead: "the products that IDnGO's API is derived from"},
	{pattern: `\bcosts? the (answer|rest)\b`, instead: "is ignored"},
	{pattern: `\bpass(es|ed) over\b`, instead: "ignore"},
	{pattern: `\bwhat (the|its|an?|this|that|it) ?[\w' ]{0,30}\bsays?\b`, instead: "the text, the answer, the value"},
}

// languageExceptions are the files that a rule of the language passes over, and why.
var languageExceptions = []struct{ rule, file, reason string }{
	{rule: "banned words", file: "internal/e2e/language_test.go", reason: "it lists them"},
	{rule: "banned words", file: ".github/CONTRIBUTING.md", reason: "it lists some of them"},
	{rule: "columns", file: "example_test.go", reason: "go test compares the outputs of examples line by line"},
}

// A proseText is a comment, a string or a paragraph.
type proseText struct {
	file string
	line int
	text string
}

// reportLanguage reports a finding at a file and line, unless the file is an exception of the rule.
func reportLanguage(t *testing.T, rule string, at proseText, format string, args ...any) {
	t.Helper()
	for _, exception := range languageExceptions {
		if exception.rule == rule && (exception.file == at.file || strings.HasPrefix(at.file, exception.file+"/")) {
			return
		}
	}
	t.Errorf("%s:%d: %s", at.file, at.line, fmt.Sprintf(format, args...))
}

func TestLanguageBannedWords(t *testing.T) {
	t.Parallel()
	texts := slices.Concat(goComments(t), goStrings(t), paragraphs(t))
	require.Greater(t, len(texts), 1000, "the test sees the repository")
	for _, banned := range bannedWords {
		pattern := regexp.MustCompile(`(?i)` + banned.pattern)
		allowed := regexp.MustCompile(`(?i)` + banned.allowed)
		for _, prose := range texts {
			for _, found := range pattern.FindAllString(strings.ReplaceAll(prose.text, "\n", " "), -1) {
				if banned.allowed == "" || !allowed.MatchString(found) {
					reportLanguage(t, "banned words", prose, "%q: write %s", found, banned.instead)
				}
			}
		}
	}
}

// A line that is a comment fits an editor beside another one.
func TestLanguageCommentColumns(t *testing.T) {
	t.Parallel()
	for _, file := range allFiles(t, ".go") {
		number := 0
		for line := range strings.Lines(string(faultnet.ReadFile(t, faultnet.Path(t, file)))) {
			number++
			line = strings.TrimSuffix(line, "\n")
			comment := strings.HasPrefix(strings.TrimSpace(line), "// ") && !strings.Contains(line, "://")
			if columns := utf8.RuneCountInString(line); comment && columns > mostCommentColumns {
				reportLanguage(t, "columns", proseText{file: file, line: number}, "the comment has %d columns, %d at most", columns, mostCommentColumns)
			}
		}
	}
}

func TestLanguageSentences(t *testing.T) {
	t.Parallel()
	for _, prose := range slices.Concat(goComments(t), paragraphs(t)) {
		for _, sentence := range sentences(prose.text) {
			if words := len(strings.Fields(sentence)); words > mostSentenceWords {
				reportLanguage(t, "sentences", prose, "a sentence has %d words, %d at most: %.60s…", words, mostSentenceWords, sentence)
			}
		}
	}
}

// The parts of a text that are sentences of their own: sentences, items of lists and paragraphs.
// Indented lines are code, a table or a drawing.
var (
	listItem    = regexp.MustCompile(`(?m)^\s*(?:[-*]|\d+\.) `)
	sentenceEnd = regexp.MustCompile(`[.?!][)"'\]]*\s+|:\s*\n\s*\n|\n\s*\n`)
)

// sentences splits a text into sentences and leaves out its indented lines.
func sentences(text string) []string {
	var kept []string
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "\t") || strings.HasPrefix(line, "    ") {
			line = "\n"
		}
		kept = append(kept, line)
	}
	return sentenceEnd.Split(listItem.ReplaceAllString(strings.Join(kept, ""), "\n\n"), -1)
}

// The doc comment of an exported name begins with the name, as go doc expects. A group of constants
// or variables may have one for all of them.
func TestLanguageDocComments(t *testing.T) {
	t.Parallel()
	for _, file := range allFiles(t, ".go") {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		set, parsed := parseComments(t, file)
		check := func(node ast.Node, name, comment string) {
			if !ast.IsExported(name) || comment == "" {
				return
			}
			if !regexp.MustCompile(`^(An? )?`+name+`\b`).MatchString(comment) && !strings.HasPrefix(comment, "Deprecated: ") {
				at := proseText{file: file, line: set.Position(node.Pos()).Line}
				reportLanguage(t, "doc comments", at, "the comment of %s does not begin with its name: %.40s…", name, comment)
			}
		}
		for _, decl := range parsed.Decls {
			switch decl := decl.(type) {
			case *ast.FuncDecl:
				check(decl, decl.Name.Name, decl.Doc.Text())
			case *ast.GenDecl:
				for _, spec := range decl.Specs {
					own := ""
					if !decl.Lparen.IsValid() {
						own = decl.Doc.Text()
					}
					switch spec := spec.(type) {
					case *ast.TypeSpec:
						check(spec, spec.Name.Name, own+spec.Doc.Text())
					case *ast.ValueSpec:
						if decl.Tok == token.CONST && decl.Lparen.IsValid() {
							continue // a comment may hold for the constants below it
						}
						check(spec, spec.Names[0].Name, own+spec.Doc.Text())
					}
				}
			}
		}
	}
}

// Each exported field of the root package has a comment of its own. TestEverythingIsDocumented has
// the other names.
func TestLanguageFieldsHaveComments(t *testing.T) {
	t.Parallel()
	fields := 0
	for file := range rootFiles {
		set, parsed := parseComments(t, file)
		ast.Inspect(parsed, func(node ast.Node) bool {
			spec, ok := node.(*ast.TypeSpec)
			if !ok || !spec.Name.IsExported() {
				return true
			}
			model, ok := spec.Type.(*ast.StructType)
			if !ok {
				return true
			}
			for _, field := range model.Fields.List {
				name := fieldName(field)
				if !ast.IsExported(name) {
					continue
				}
				fields++
				if field.Doc.Text() == "" && field.Comment.Text() == "" {
					at := proseText{file: file, line: set.Position(field.Pos()).Line}
					reportLanguage(t, "fields", at, "%s.%s has no comment", spec.Name, name)
				}
			}
			return true
		})
	}
	assert.Greater(t, fields, 250, "the test sees the models")
}

// fieldName returns the name of a field, also of one that is embedded.
func fieldName(field *ast.Field) string {
	if len(field.Names) > 0 {
		return field.Names[0].Name
	}
	switch embedded := field.Type.(type) {
	case *ast.SelectorExpr:
		return embedded.Sel.Name
	case *ast.Ident:
		return embedded.Name
	}
	return ""
}

// allFiles returns the files of all modules of the repository whose names end in extension.
func allFiles(t *testing.T, extension string) (files []string) {
	t.Helper()
	root := faultnet.Path(t)
	require.NoError(t, filepath.WalkDir(root, func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && strings.HasPrefix(entry.Name(), ".") && name != root && entry.Name() != ".github":
			return filepath.SkipDir
		case strings.HasSuffix(name, extension):
			relative, err := filepath.Rel(root, name)
			files = append(files, filepath.ToSlash(relative))
			return err
		}
		return nil
	}))
	require.NotEmpty(t, files)
	return files
}

// documents returns the documents in Markdown.
func documents(t *testing.T) []string {
	t.Helper()
	return allFiles(t, ".md")
}

// parseComments parses a Go file of the repository together with its comments.
func parseComments(t *testing.T, file string) (*token.FileSet, *ast.File) {
	t.Helper()
	set := token.NewFileSet()
	parsed, err := parser.ParseFile(set, faultnet.Path(t, file), nil, parser.ParseComments|parser.SkipObjectResolution)
	require.NoError(t, err)
	return set, parsed
}

// goComments returns the comments of all Go files.
func goComments(t *testing.T) (texts []proseText) {
	t.Helper()
	for _, file := range allFiles(t, ".go") {
		set, parsed := parseComments(t, file)
		for _, group := range parsed.Comments {
			texts = append(texts, proseText{file: file, line: set.Position(group.Pos()).Line, text: group.Text()})
		}
	}
	return texts
}

// goStrings returns the strings of Go files that are no tests, if they are text: they have a space.
func goStrings(t *testing.T) (texts []proseText) {
	t.Helper()
	for _, file := range allFiles(t, ".go") {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		set, parsed := parseComments(t, file)
		ast.Inspect(parsed, func(node ast.Node) bool {
			if literal, ok := node.(*ast.BasicLit); ok && literal.Kind == token.STRING && strings.Contains(literal.Value, " ") {
				texts = append(texts, proseText{file: file, line: set.Position(literal.Pos()).Line, text: literal.Value})
			}
			return true
		})
	}
	return texts
}

// paragraphs returns the paragraphs of the documents, without code blocks and tables.
func paragraphs(t *testing.T) (texts []proseText) {
	t.Helper()
	for _, file := range documents(t) {
		number, code := 0, false
		paragraph := proseText{file: file}
		end := func() {
			if paragraph.text != "" {
				texts = append(texts, paragraph)
			}
			paragraph = proseText{file: file}
		}
		for line := range strings.Lines(string(faultnet.ReadFile(t, faultnet.Path(t, file)))) {
			number++
			switch fence := strings.HasPrefix(strings.TrimSpace(line), "```"); {
			case fence:
				code = !code
				end()
			case code, strings.HasPrefix(line, "|"), strings.TrimSpace(line) == "", strings.HasPrefix(line, "#"):
				end()
			default:
				if paragraph.text == "" {
					paragraph.line = number
				}
				paragraph.text += line
			}
		}
		end()
	}
	return texts
}
