package e2e_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/idngo-go/idngo"
	"github.com/idngo-go/idngo/internal/e2e/faultnet"
)

// clientCall is a method of Client that makes calls, and the names of its rows in the tests. The
// method also needs an Example and a row in the table of the README.
type clientCall struct {
	method string
	golden string // the name of a golden request in testdata/requests
	secret string // its row in hiddenCalls
	retry  string // its row in faultnet.Operations
	clock  string // its row in simulatorCalls
	route  string // the operation of the simulator that answers it
	// madeOf names the methods that this one calls. Where a field of this one is empty, their rows
	// test it.
	madeOf []string
}

// clientCalls has all methods of Client that make calls. TestEveryCallIsTested compares them with
// the Client and with the tests.
var clientCalls = []clientCall{
	{
		method: "CreateAction", golden: "create_action", secret: "CreateAction",
		retry: "CreateAction", clock: "CreateAction", route: "CreateAction",
	},
	{method: "EnsureAction", secret: "EnsureAction", madeOf: []string{"ListActions", "CreateAction"}},
	{method: "GetAction", golden: "get_action", secret: "GetAction", retry: "GetAction", clock: "GetAction", route: "GetAction"},
	{method: "FindAction", secret: "FindAction", madeOf: []string{"ListActions", "GetAction"}},
	{
		method: "ListActions", golden: "list_actions", secret: "ListActions",
		retry: "ListActions", clock: "ListActions", route: "ListActions",
	},
	{method: "AllActions", secret: "AllActions", madeOf: []string{"ListActions"}},
	{
		method: "SubmitAction", golden: "submit_action", secret: "SubmitAction",
		retry: "SubmitAction", clock: "SubmitAction", route: "SubmitAction",
	},
	{method: "WaitForReview", secret: "WaitForReview", madeOf: []string{"GetAction"}},
	{method: "ConfirmAction", secret: "ConfirmAction", madeOf: []string{"GetAction"}},
	{method: "RequireApproved", secret: "RequireApproved", madeOf: []string{"GetAction"}},
	{method: "CheckCredentials", secret: "CheckCredentials", madeOf: []string{"GetAction"}},
	{
		method: "GetApplicant", golden: "get_applicant", secret: "GetApplicant",
		retry: "GetApplicant", clock: "GetApplicant", route: "GetApplicant",
	},
	{
		method: "FindApplicant", golden: "find_applicant", secret: "FindApplicant",
		retry: "FindApplicant", clock: "FindApplicant", route: "FindApplicant",
	},
	{method: "AddImage", golden: "add_image", secret: "AddImage", retry: "AddImage", clock: "AddImage", route: "AddImage"},
	{method: "OpenImage", golden: "open_image", secret: "OpenImage", retry: "OpenImage", clock: "OpenImage", route: "OpenImage"},
	{method: "DownloadImage", secret: "DownloadImage", madeOf: []string{"OpenImage"}},
	{
		method: "CreateAccessToken", golden: "create_access_token", secret: "CreateAccessToken",
		retry: "CreateAccessToken", clock: "CreateAccessToken", route: "CreateAccessToken",
	},
	{
		method: "CreateWebSDKLink", golden: "create_websdk_link", secret: "CreateWebSDKLink",
		retry: "CreateWebSDKLink", clock: "CreateWebSDKLink", route: "CreateWebSDKLink",
	},
	{method: "Do", golden: "do", secret: "Do GET", retry: "Do GET", clock: "Do", route: "GetAction"},
}

// silentMethods has the methods of Client that make no call.
var silentMethods = []string{"String", "Format", "LogValue", "CloseIdleConnections"}

// Every method of Client has its tests, an Example and a row in the README.
func TestEveryCallIsTested(t *testing.T) {
	t.Parallel()
	calls := map[string]clientCall{}
	for _, call := range clientCalls {
		calls[call.method] = call
	}
	methods := reflect.TypeFor[*idngo.Client]()
	for i := range methods.NumMethod() {
		name := methods.Method(i).Name
		_, known := calls[name]
		assert.True(t, known || slices.Contains(silentMethods, name), "%s is neither in clientCalls nor in silentMethods", name)
		assert.False(t, known && slices.Contains(silentMethods, name), "%s is in clientCalls and in silentMethods", name)
	}

	retries := map[string]bool{}
	for _, op := range faultnet.Operations {
		retries[op.Key()] = true
	}
	suites := []struct {
		name string
		row  func(clientCall) string
		rows []string
	}{
		{name: "golden requests", row: func(c clientCall) string { return c.golden }, rows: slices.Collect(maps.Keys(goldenRequests("")))},
		{
			name: "hiddenCalls of secrets_test.go", row: func(c clientCall) string { return c.secret },
			rows: slices.Collect(maps.Keys(hiddenCalls())),
		},
		{name: "faultnet.Operations", row: func(c clientCall) string { return c.retry }, rows: slices.Collect(maps.Keys(retries))},
		{
			name: "simulatorCalls of clock_test.go", row: func(c clientCall) string { return c.clock },
			rows: slices.Collect(maps.Keys(simulatorCalls("", ""))),
		},
	}
	readme := string(faultnet.ReadFile(t, faultnet.Path(t, "README.md")))
	examples := examplesOfClient(t)
	for _, call := range clientCalls {
		_, exists := methods.MethodByName(call.method)
		assert.True(t, exists, "Client has no method %s", call.method)
		assert.True(t, examples[call.method], "example_test.go has no ExampleClient_%s", call.method)
		row := regexp.MustCompile("(?m)^\\|[^|]*`" + call.method + "`[^|]*\\|")
		assert.True(t, row.MatchString(readme), "the README's table of calls has no row for %s", call.method)
		for _, suite := range suites {
			for _, name := range rowsOf(call, calls, suite.row) {
				assert.Contains(t, suite.rows, name, "%s has no row for %s", suite.name, call.method)
			}
		}
		for _, name := range rowsOf(call, calls, func(c clientCall) string { return c.golden }) {
			_, err := os.Stat(faultnet.Testdata(t, "requests", name+".txt"))
			assert.NoError(t, err)
		}
	}
	for _, call := range clientCalls {
		delete(examples, call.method)
	}
	for _, name := range silentMethods {
		delete(examples, name)
	}
	assert.Empty(t, examples, "of methods that Client does not have")
}

// rowsOf returns the row of a call. If it has none, rowsOf returns the rows of the methods that it
// is made of.
func rowsOf(call clientCall, calls map[string]clientCall, row func(clientCall) string) (names []string) {
	if name := row(call); name != "" || len(call.madeOf) == 0 {
		return []string{name}
	}
	for _, part := range call.madeOf {
		names = append(names, rowsOf(calls[part], calls, row)...)
	}
	return names
}

// examplesOfClient returns the methods of Client for which example_test.go has an Example.
func examplesOfClient(t *testing.T) map[string]bool {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), faultnet.Path(t, "example_test.go"), nil, parser.SkipObjectResolution)
	require.NoError(t, err)
	methods := map[string]bool{}
	for _, decl := range file.Decls {
		if function, ok := decl.(*ast.FuncDecl); ok {
			if name, ok := strings.CutPrefix(function.Name.Name, "ExampleClient_"); ok {
				method, _, _ := strings.Cut(name, "_") // the suffix names one of several examples
				methods[method] = true
			}
		}
	}
	return methods
}

// Each call reaches its own operation of the simulator.
func TestEveryCallHasARouteInTheSimulator(t *testing.T) {
	for _, call := range clientCalls {
		if call.route == "" {
			assert.NotEmpty(t, call.madeOf, "%s has no route", call.method)
			continue
		}
		t.Run(call.method, func(t *testing.T) {
			faultnet.InBubble(t, func(t *testing.T) {
				network, server, actionID, imageID := newSkewedSimulator(t, 0)
				before := server.Stats().ByOperation[call.route]
				do := simulatorCalls(actionID, imageID)[call.clock]
				require.NotNil(t, do)
				require.NoError(t, do(t.Context(), network.Client()))
				assert.Equal(t, before+1, server.Stats().ByOperation[call.route])
			})
		})
	}
}
