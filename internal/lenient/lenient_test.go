package lenient

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// record is the type that the tests decode into. recordCore has the field of it that must be
// readable.
type (
	record struct {
		Name  string   `json:"name"`
		Size  int      `json:"size"`
		Tags  []string `json:"tags"`
		Inner struct {
			Flag Bool `json:"flag"`
			Size int  `json:"size"`
		} `json:"inner"`
	}
	recordCore struct {
		Name json.Number `json:"name"`
	}
)

func TestDecode(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		data string
		want record
		core *recordCore
	}{
		{name: "nothing odd", data: `{"name":"n","size":1,"tags":["t"]}`, want: record{Name: "n", Size: 1, Tags: []string{"t"}}},
		{name: "null", data: `null`},
		{name: "unknown field", data: `{"name":"n","other":[]}`, want: record{Name: "n"}},
		{name: "odd field", data: `{"size":"1","name":"5"}`, want: record{Name: "5"}, core: &recordCore{Name: "5"}},
		{name: "odd list and more", data: `{"tags":{},"name":"5","size":2}`, want: record{Name: "5", Size: 2}, core: &recordCore{Name: "5"}},
		{name: "odd core field", data: `{"name":5,"size":2}`, want: record{Size: 2}, core: &recordCore{Name: "5"}},
		{name: "odd element", data: `{"tags":["a",1,"b"]}`, want: record{Tags: []string{"a", "", "b"}}, core: &recordCore{}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var got record
			core, err := Decode[recordCore]([]byte(test.data), &got)
			require.NoError(t, err)
			assert.Equal(t, test.want, got)
			assert.Equal(t, test.core, core)
		})
	}
	for _, data := range []string{``, `{`, `{"name":"n"}}`, `[]`, `5`, `"x"`, `{"name":true}`, `{"name":{},"size":1}`, `[{"name":"n"}]`} {
		var got record
		core, err := Decode[recordCore]([]byte(data), &got)
		require.Error(t, err, data)
		assert.Nil(t, core, data)
	}
}

//nolint:paralleltest // allocations are counted, which other tests would disturb
func TestDecodeAllocatesNoCore(t *testing.T) {
	data := []byte(`{"size":1}`)
	var got record
	plain := testing.AllocsPerRun(100, func() { _ = json.Unmarshal(data, &got) })
	lenient := testing.AllocsPerRun(100, func() { _, _ = Decode[recordCore](data, &got) })
	assert.LessOrEqual(t, lenient, plain)
}

func TestDecodeNested(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		data string
		want record
	}{
		{data: `{"size":1}`, want: record{Size: 1}},
		{data: `{"size":"1","name":"n"}`, want: record{Name: "n"}},
		{data: `null`},
		{data: `5`},
		{data: `[]`},
		{data: `"x"`},
	} {
		var got record
		require.NoError(t, DecodeNested([]byte(test.data), &got), test.data)
		assert.Equal(t, test.want, got, test.data)
	}
	var got record
	require.Error(t, DecodeNested([]byte(`{`), &got))
}

func TestEnvelope(t *testing.T) {
	t.Parallel()
	total := func(n Count) *Count { return &n }
	for _, test := range []struct {
		data string
		want Page[int]
	}{
		{data: `{}`},
		{data: `{"list":null}`},
		{data: `{"items":[],"totalItems":0}`, want: Page[int]{Items: []*int{}, TotalItems: total(0)}},
		{data: `{"list":{"items":[null],"totalItems":"3"}}`, want: Page[int]{Items: []*int{nil}, TotalItems: total(3)}},
		{data: `{"list":{"totalItems":3},"items":[null],"totalItems":1}`, want: Page[int]{Items: []*int{nil}, TotalItems: total(1)}},
		{data: `{"list":{"totalItems":3},"items":[],"totalItems":1}`, want: Page[int]{TotalItems: total(3)}},
	} {
		var envelope Envelope[int]
		require.NoError(t, json.Unmarshal([]byte(test.data), &envelope), test.data)
		assert.Equal(t, &test.want, envelope.Content(), test.data)
	}
}

func TestSetIDs(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name         string
		data         string
		a, b         string // the ids before the call
		wantA, wantB string
	}{
		{name: "numbers", data: `{"a":1,"b":2.0}`, wantA: "1", wantB: "2"},
		{name: "strings", data: `{"a":"x","b":""}`, wantA: "x"},
		{name: "set already", data: `{"a":1,"b":2}`, a: "x", wantA: "x", wantB: "2"},
		{name: "absent and null", data: `{"c":1,"b":null}`},
		{name: "another case", data: `{"A":1,"B":2}`, wantA: "1", wantB: "2"},
		{name: "large", data: `{"a":9007199254740993}`, wantA: "9007199254740993"},
		{name: "no object", data: `[1]`, b: "y", wantB: "y"},
		{name: "not JSON", data: `{"a":1`},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			a, b := test.a, test.b
			SetIDs([]byte(test.data), map[string]*string{"a": &a, "b": &b})
			assert.Equal(t, test.wantA, a)
			assert.Equal(t, test.wantB, b)
		})
	}
}

func TestClearNull(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ raw, want json.RawMessage }{
		{raw: nil, want: nil},
		{raw: json.RawMessage(`null`), want: nil},
		{raw: json.RawMessage(`{}`), want: json.RawMessage(`{}`)},
		{raw: json.RawMessage(`"null"`), want: json.RawMessage(`"null"`)},
	} {
		got := test.raw
		ClearNull(&got)
		assert.Equal(t, test.want, got, "%s", test.raw)
	}
}

func TestDecodeRefusesCrowdedData(t *testing.T) {
	t.Parallel()
	list := func(element string, count int) []byte {
		return []byte(`{"list":[` + strings.TrimSuffix(strings.Repeat(element+",", count), ",") + `]}`)
	}
	action := `{"id":"5e02f6b1","review":{"levelName":"a","reviewResult":{"reviewAnswer":"GREEN"}},"createdAt":"2024-03-07 06:44:24","a":null}`
	for name, test := range map[string]struct {
		data    []byte
		crowded bool
	}{
		"few objects":    {data: list("{}", 9_000)},
		"many objects":   {data: list("{}", 12_000), crowded: true},
		"few nulls":      {data: list("null", 9_000)},
		"many nulls":     {data: list("null", 13_000), crowded: true},
		"many numbers":   {data: list("0", 20_000), crowded: true},
		"long numbers":   {data: list("0.123456789", 100_000)},
		"many real ones": {data: list(action, 50_000)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var v struct{ List []json.RawMessage }
			_, err := Decode[struct{}](test.data, &v)
			if test.crowded {
				require.ErrorIs(t, err, errCrowded)
				assert.Empty(t, v.List)
				return
			}
			require.NoError(t, err)
			assert.NotEmpty(t, v.List)
		})
	}
}

func TestBool(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		json string
		want Bool
	}{
		{json: `true`, want: true},
		{json: `"true"`, want: true},
		{json: `"TRUE"`, want: true},
		{json: `1`, want: true},
		{json: `"1"`, want: true},
		{json: `false`},
		{json: `"false"`},
		{json: `0`},
		{json: `2`},
		{json: `null`, want: true}, // it changes nothing
		{json: `""`},
		{json: `"maybe"`},
		{json: `{}`},
		{json: `[true]`},
	} {
		got := Bool(true)
		require.NoError(t, got.UnmarshalJSON([]byte(test.json)))
		assert.Equal(t, test.want, got, test.json)
	}
}

func TestCount(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		json string
		want Count
	}{
		{json: `0`, want: 0},
		{json: `7`, want: 7},
		{json: `"7"`, want: 7},
		{json: `7.0`, want: 7},
		{json: `7e1`, want: 70},
		{json: `""`, want: 0},
		{json: `-1`, want: -1},
		{json: `-5`, want: -1},
		{json: `1.5`, want: -1},
		{json: `1e30`, want: -1},
		{json: `null`, want: -1},
		{json: `"many"`, want: -1},
		{json: `"e5"`, want: -1},
		{json: `"."`, want: -1},
		{json: `{}`, want: -1},
		{json: `[7]`, want: -1},
	} {
		var got Count
		require.NoError(t, got.UnmarshalJSON([]byte(test.json)))
		assert.Equal(t, test.want, got, test.json)
	}
}

func TestNumber(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		json string
		want Number
	}{
		{json: `0`, want: "0"},
		{json: `17.50`, want: "17.50"},
		{json: `"17.50"`, want: "17.50"},
		{json: `-8e+2`, want: "-8e+2"},
		{json: `9007199254740993`, want: "9007199254740993"},
		{json: `"12345678901234567.89"`, want: "12345678901234567.89"},
		{json: `1e400`, want: "1e400"},
		{json: `"\u0031"`, want: "1"},
		{json: `"`},
		{json: `"12`},
		{json: `null`},
		{json: `true`},
		{json: `""`},
		{json: `"many"`},
		{json: `"1,5"`},
		{json: `" 1"`},
		{json: `"1 "`},
		{json: `"+1"`},
		{json: `"01"`},
		{json: `"-"`},
		{json: `"1."`},
		{json: `"NaN"`},
		{json: `"0x10"`},
		{json: `{"value":1}`},
		{json: `[1]`},
	} {
		got := Number("before")
		require.NoError(t, got.UnmarshalJSON([]byte(test.json)))
		assert.Equal(t, test.want, got, test.json)
	}
}

func TestID(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ json, want string }{
		{json: `1411431805`, want: "1411431805"},
		{json: ` 5.0`, want: "5"},
		{json: `1.411431805e9`, want: "1411431805"},
		{json: `12345678901234567890`, want: "12345678901234567890"},
		{json: `0`, want: "0"},
		{json: `"a"`, want: "a"},
		{json: `"1e3"`, want: "1e3"},
		{json: `null`, want: ""},
		{json: `1.5`, want: "1.5"},
		{json: `true`, want: "true"},
		{json: `{ "id" : [ 1, "<" ] }`, want: `{"id":[1,"<"]}`},
		{json: "[\"\xff\"]", want: "[\"\uFFFD\"]"},
	} {
		got, err := ID([]byte(test.json))
		require.NoError(t, err, test.json)
		assert.Equal(t, test.want, got, test.json)
	}
	for _, data := range []string{``, ` `, `x`, `"x`, `01 2`, `{`} {
		got, err := ID([]byte(data))
		require.Error(t, err, data)
		assert.Empty(t, got, data)
	}
}

func TestText(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ json, want string }{
		{json: `"a"`, want: "a"},
		{json: ` "a b" `, want: "a b"},
		{json: `"\u0061\"\\\n"`, want: "a\"\\\n"},
		{json: `"\\"`, want: `\`},
		{json: `"é"`, want: "é"},
		{json: "\"\xff\"", want: "\uFFFD"},
		{json: `"\ud800"`, want: "\uFFFD"},
		{json: `""`, want: ""},
		{json: `null`, want: ""},
		{json: `1.50`, want: "1.50"},
		{json: `true`, want: "true"},
		{json: `{ "a" : [ 1 ] }`, want: `{"a":[1]}`},
		{json: `["<"]`, want: `["\u003c"]`},
	} {
		got, err := Text([]byte(test.json))
		require.NoError(t, err, test.json)
		assert.Equal(t, test.want, got, test.json)
	}
	for _, data := range []string{``, ` `, `x`, `"x`, `"\x"`, `1 2`, `{`} {
		_, err := Text([]byte(data))
		require.Error(t, err, data)
	}
}

func TestWholeNumber(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ text, want string }{
		{text: "5", want: "5"},
		{text: "5.0", want: "5"},
		{text: "-1.50e1", want: "-15"},
		{text: "100e-2", want: "1"},
		{text: "0.0", want: "0"},
		{text: "-0.0e5", want: "0"},
		{text: "1e18", want: "1000000000000000000"},
		{text: "1.5", want: "1.5"},
		{text: "1e-1", want: "1e-1"},
		{text: "1e400", want: "1e400"},
		{text: "1e", want: "1e"},
		{text: "e5", want: "e5"},
		{text: ".", want: "."},
		{text: "-.0e1", want: "-.0e1"},
		{text: "true", want: "true"},
		{text: `{"e":1.0}`, want: `{"e":1.0}`},
		{text: "", want: ""},
		{text: "1." + strings.Repeat("0", 100), want: "1." + strings.Repeat("0", 100)},
	} {
		assert.Equal(t, test.want, WholeNumber(test.text), test.text)
	}
}

func TestDigits(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		text string
		want int
	}{
		{text: "", want: 0},
		{text: "0", want: 0},
		{text: "007", want: 7},
		{text: "2020", want: 2020},
		{text: "-1", want: -1},
		{text: "+1", want: -1},
		{text: "1a", want: -1},
		{text: "1.0", want: -1},
		{text: " 1", want: -1},
		{text: "१", want: -1},
	} {
		assert.Equal(t, test.want, Digits([]byte(test.text)), test.text)
	}
}

func TestMembers(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		data string
		want []string
	}{
		"texts and numbers": {data: `{"a":"x","b": 4003,"c":"4003"}`, want: []string{"x", "4003", "4003"}},
		"other types":       {data: `{"a":{"x":1},"b":[1],"c":true}`, want: []string{"", "", ""}},
		"null":              {data: `{"a":null}`, want: []string{"", "", ""}},
		"cut off":           {data: `{"a":"x`, want: []string{"", "", ""}},
		"no object":         {data: `["a"]`, want: []string{"", "", ""}},
		"nothing":           {data: ``, want: []string{"", "", ""}},
		"escapes":           {data: `{"a":"\u0041\n"}`, want: []string{"A\n", "", ""}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			assert.Equal(t, test.want, Members([]byte(test.data), nil, []string{"a", "b", "c"}))
		})
	}
}

func TestMembersOfStringsOnly(t *testing.T) {
	t.Parallel()
	data := []byte(`{"a":"x","b":7,"c":"7"}`)
	assert.Equal(t, []string{"x", "", "7", "7"}, Members(data, []string{"a", "b", "c"}, []string{"b"}))
}

// These are the longest texts and exponents that are rewritten, and the shortest that are not.
func TestWholeNumberAtItsLimits(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"1." + strings.Repeat("0", 62): "1",
		"1." + strings.Repeat("0", 63): "1." + strings.Repeat("0", 63),
		"1e64":                         "1" + strings.Repeat("0", 64),
		"1e65":                         "1e65",
		"0e-64":                        "0",
		"0e-65":                        "0e-65",
	} {
		assert.Equal(t, want, WholeNumber(text), text)
	}
}

func TestRoom(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, data string
		room       int
		used       []int
	}{
		{name: "absent", data: `{}`},
		{name: "absent, but named", data: `{"text":"id","id":1}`, room: 2},
		{name: "null", data: `{"list":null,"id":1}`, room: 1},
		{name: "empty", data: `{"list":[],"id":1}`, room: 1, used: []int{}},
		{name: "of a wrong type", data: `{"list":{"id":1}}`, room: 1},
		{name: "some", data: `{"list":[1,2,3],"id":1}`, room: 1, used: []int{1, 2, 3}},
		{name: "many", data: `{"text":[` + strings.Repeat(`"id",`, 100) + `"id"]}`, room: 16},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			answer := struct {
				List []int `json:"list"`
			}{Room[int]([]byte(tt.data), "id")}
			assert.Equal(t, tt.room, cap(answer.List))
			_ = json.Unmarshal([]byte(tt.data), &answer)
			assert.Equal(t, tt.used, Used(answer.List))
		})
	}
}

// An error of encoding/json may quote the decoded text, so Problem has texts of its own. The two
// engines of encoding/json count bytes differently.
func TestProblem(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		text string
		out  any
		want string // a pattern
	}{
		"none":         {text: `{}`, out: new(map[string]string), want: "^$"},
		"not JSON":     {text: `{"a": alice}`, out: new(map[string]string), want: `^it is not JSON \(at byte [67]\)$`},
		"another type": {text: `"alice"`, out: new(int), want: "^it is not of the expected shape$"},
		"no object":    {text: `[]`, out: new(struct{ A int }), want: "^it is not of the expected shape$"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			assert.Regexp(t, test.want, Problem(json.Unmarshal([]byte(test.text), test.out)))
		})
	}
}

// Spaces around a value are ignored.
func TestValuesWithSpacesAround(t *testing.T) {
	t.Parallel()
	for data, want := range map[string]string{" \t\"a\"\r\n": "a", " null ": "", "\n1e2\t": "100"} {
		id, err := ID([]byte(data))
		require.NoError(t, err, data)
		assert.Equal(t, want, id, data)
	}
	for data, want := range map[string]string{" \t\"a\"\r\n": "a", " null ": "", "\n[1, 2]\t": "[1,2]"} {
		text, err := Text([]byte(data))
		require.NoError(t, err, data)
		assert.Equal(t, want, text, data)
	}
}
