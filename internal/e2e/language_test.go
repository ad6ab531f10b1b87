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
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/idngo-go/idngo/internal/e2e/faultnet"
)

// The tests of this file check rules of the language, a part of the style in
// .github/CONTRIBUTING.md. They read the comments and strings of all Go files, the documents in
// Markdown, and the lines of pages and of CI files.

const (
	mostCommentColumns = 100 // a tab counts as one
	mostSentenceWords  = 45  // a longer sentence should be two sentences
)

// bannedWords has patterns of words that readers had to read twice, and the words to use instead.
// They match upper and lower case.
var bannedWords = []struct {
	pattern string
	instead string
	allowed string // a pattern of matches that are no finding
}{
	{pattern: `\bcareful(ly)?\b`, instead: "not idempotent, or the rule itself"},
	{pattern: `\brepeatab(le|ly)\b`, instead: "idempotent"},
	{pattern: `\bsilences?\b`, instead: "the time without progress"},
	{pattern: `\btime-outs?\b`, instead: "timeout"},
	{pattern: `\blook(s|ed|ing)?\b( up| like|-up)?`, instead: "fetch, read, check", allowed: `( up| like|-up)$`},
	{pattern: `\bwhose word\b`, instead: "the source"},
	{pattern: `\bthe word of\b`, instead: "the documentation of"},
	{pattern: `(font-)?\bfamil(y|ies)\b`, instead: "the products that IDnGO's API is derived from", allowed: `^font-`},
	{pattern: `\bcosts? the (answer|rest)\b`, instead: "is ignored"},
	{pattern: `\bpass(es|ed) over\b`, instead: "ignore"},
	{pattern: `\bwhat [\w' ]{0,40}\bsays?\b`, instead: "the text, the answer, the value"},
}

// languageExceptions are the files in which a rule of the language does not hold, and why.
var languageExceptions = []struct{ rule, file, reason string }{
	{rule: "banned words", file: "internal/e2e/language_test.go", reason: "it lists them"},
	{rule: "banned words", file: ".github/CONTRIBUTING.md", reason: "it lists some of them"},
}

// A proseText is a comment, a string, a paragraph or a line.
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
	texts := slices.Concat(goComments(t), goStrings(t, true), paragraphs(t), lines(t))
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

// A comment on a line of its own has at most 100 columns, so that two files fit beside one another.
// These lines may be longer:
//
//   - a comment behind code, since TestRuleLineLengths limits the whole line,
//   - code, tables and drawings, which are indented, since a break would change them,
//   - a URL, since it cannot be broken,
//   - the output of an example, since go test compares it line by line.
func TestLanguageCommentColumns(t *testing.T) {
	t.Parallel()
	indented := regexp.MustCompile(`^\s*//(\t|    )`)
	url := regexp.MustCompile(`^\s*(// )?(\[.+\]: )?https?://\S+$`)
	output := regexp.MustCompile(`(?i)^(unordered )?output:`)
	for _, file := range allFiles(t, `\.go$`) {
		source := strings.Split(string(faultnet.ReadFile(t, faultnet.Path(t, file))), "\n")
		set, parsed := parseComments(t, file)
		for _, group := range parsed.Comments {
			isOutput := strings.HasSuffix(file, "_test.go") && output.MatchString(group.Text())
			begin := set.Position(group.Pos())
			isTrailing := strings.TrimSpace(source[begin.Line-1][:begin.Column-1]) != ""
			if isOutput || isTrailing {
				continue
			}
			for number := begin.Line; number <= set.Position(group.End()).Line; number++ {
				line := strings.TrimSuffix(source[number-1], "\r")
				columns := utf8.RuneCountInString(line)
				if columns > mostCommentColumns && !indented.MatchString(line) && !url.MatchString(line) {
					at := proseText{file: file, line: number}
					reportLanguage(t, "columns", at, "the comment has %d columns, %d at most", columns, mostCommentColumns)
				}
			}
		}
	}
}

// Strings of tests are left out here, since they contain inputs and outputs.
func TestLanguageSentences(t *testing.T) {
	t.Parallel()
	for _, prose := range slices.Concat(goComments(t), goStrings(t, false), paragraphs(t)) {
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
	for _, file := range allFiles(t, `\.go$`) {
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

// allFiles returns the files of all modules of the repository whose slashed paths match a pattern.
func allFiles(t *testing.T, pattern string) (files []string) {
	t.Helper()
	root, matches := faultnet.Path(t), regexp.MustCompile(pattern)
	hidden := regexp.MustCompile(`(^|/)\.[^/]*$|^\.ci/cache$`)
	visible := regexp.MustCompile(`^\.(ci|github)$`)
	require.NoError(t, filepath.WalkDir(root, func(name string, entry fs.DirEntry, err error) error {
		if err != nil || name == root {
			return err
		}
		relative, err := filepath.Rel(root, name)
		switch relative = filepath.ToSlash(relative); {
		case entry.IsDir() && hidden.MatchString(relative) && !visible.MatchString(relative):
			return filepath.SkipDir
		case !entry.IsDir() && matches.MatchString(relative):
			files = append(files, relative)
		}
		return err
	}))
	require.NotEmpty(t, files, pattern)
	return files
}

// documents returns the documents in Markdown.
func documents(t *testing.T) []string {
	t.Helper()
	return allFiles(t, `\.md$`)
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
	for _, file := range allFiles(t, `\.go$`) {
		set, parsed := parseComments(t, file)
		for _, group := range parsed.Comments {
			texts = append(texts, proseText{file: file, line: set.Position(group.Pos()).Line, text: group.Text()})
		}
	}
	return texts
}

// goStrings returns the strings of all Go files, or only of those that are no tests. Strings that
// are joined with + are one text, with an x in place of each value that is no string literal.
func goStrings(t *testing.T, tests bool) (texts []proseText) {
	t.Helper()
	for _, file := range allFiles(t, `\.go$`) {
		if !tests && strings.HasSuffix(file, "_test.go") {
			continue
		}
		set, parsed := parseComments(t, file)
		ast.Inspect(parsed, func(node ast.Node) bool {
			expression, ok := node.(ast.Expr)
			if !ok {
				return true
			}
			if text, found := joinedString(expression); found {
				texts = append(texts, proseText{file: file, line: set.Position(node.Pos()).Line, text: text})
			}
			return true
		})
	}
	return texts
}

// joinedString returns the text of a string literal or of a sum that contains one.
func joinedString(expression ast.Expr) (text string, found bool) {
	switch expression := expression.(type) {
	case *ast.BasicLit:
		text, err := strconv.Unquote(expression.Value)
		return text, err == nil && expression.Kind == token.STRING
	case *ast.BinaryExpr:
		left, inLeft := joinedString(expression.X)
		right, inRight := joinedString(expression.Y)
		return left + right, expression.Op == token.ADD && (inLeft || inRight)
	}
	return "x", false
}

// paragraphs returns the paragraphs, headings and table cells of the documents. It leaves out code
// blocks.
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
			case code, strings.TrimSpace(line) == "":
				end()
			case strings.HasPrefix(line, "|"), strings.HasPrefix(line, "#"):
				end()
				for cell := range strings.SplitSeq(line, "|") {
					texts = append(texts, proseText{file: file, line: number, text: cell})
				}
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

// lines returns the lines of the pages with their scripts and styles, of the CI files and of the
// issue forms. A phrase that is broken between two of them is not found.
func lines(t *testing.T) (texts []proseText) {
	t.Helper()
	for _, file := range allFiles(t, `\.(html|js|css|yml)$|^\.ci/`) {
		number := 0
		for line := range strings.Lines(string(faultnet.ReadFile(t, faultnet.Path(t, file)))) {
			number++
			texts = append(texts, proseText{file: file, line: number, text: line})
		}
	}
	return texts
}
