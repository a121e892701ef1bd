package text_test

import (
	"go/ast"
	"go/build"
	"go/constant"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"path/filepath"
	"strings"
	"testing"
)

// users are the packages that put their messages together here.
var users = []string{"clock", "drop", "link", "link/mem", "packet", "socket", "stack", "trace", "wire"}

// heavy are packages that would make every program larger by more than a stack's part
// that uses them, and what takes their place.
var heavy = map[string]string{
	"fmt": "internal/text", "net": "package socket's errors", "os": "nothing of it",
	"container/heap": "deadlines of package stack", "crypto/sha256": "ChaCha8 of math/rand/v2", "crypto/rand": "internal/entropy",
}

// TestCalls holds every call to the verbs and types that there are, and the users
// to do without heavy packages.
func TestCalls(t *testing.T) {
	calls := 0
	fset := token.NewFileSet()
	imports := importer.ForCompiler(fset, "source", nil)
	for _, name := range users {
		dir := filepath.Join("..", "..", filepath.FromSlash(name))
		pkg, err := build.ImportDir(dir, 0)
		if err != nil {
			t.Fatal(err)
		}
		var files []*ast.File
		for _, f := range pkg.GoFiles {
			file, err := parser.ParseFile(fset, filepath.Join(dir, f), nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			for _, i := range file.Imports {
				if instead := heavy[strings.Trim(i.Path.Value, `"`)]; instead != "" {
					t.Errorf("%s/%s imports %s: use %s", name, f, i.Path.Value, instead)
				}
			}
			files = append(files, file)
		}
		info := &types.Info{Types: map[ast.Expr]types.TypeAndValue{}, Uses: map[*ast.Ident]types.Object{}}
		cfg := types.Config{Importer: imports, FakeImportC: true}
		if _, err := cfg.Check(pkg.ImportPath, fset, files, info); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for _, file := range files {
			ast.Inspect(file, func(n ast.Node) bool {
				call, ok := n.(*ast.CallExpr)
				if !ok {
					return true
				}
				sel, ok := call.Fun.(*ast.SelectorExpr)
				if !ok {
					return true
				}
				f, ok := info.Uses[sel.Sel].(*types.Func)
				if !ok || f.Pkg() == nil || !strings.HasSuffix(f.Pkg().Path(), "internal/text") {
					return true
				}
				calls++
				if why := check(info, f.Name(), call); why != "" {
					t.Errorf("%v: %s", fset.Position(call.Pos()), why)
				}
				return true
			})
		}
	}
	if calls < 40 {
		t.Errorf("only %d calls were found", calls)
	}
}

// check returns what is wrong with a call; "" if nothing is.
func check(info *types.Info, function string, call *ast.CallExpr) string {
	v := info.Types[call.Args[0]].Value
	if v == nil {
		return "the format is not a constant"
	}
	format, args := constant.StringVal(v), call.Args[1:]
	n, wraps := 0, 0
	for {
		_, after, found := strings.Cut(format, "%")
		if !found {
			break
		}
		if after == "" || n == len(args) {
			return "more verbs than arguments"
		}
		typ := info.Types[args[n]].Type
		switch after[0] {
		case 'v', 's', 'd', 'q':
			if !printable(typ) {
				return "an argument of type " + typ.String()
			}
		case 'w':
			wraps++
			if function != "Errorf" || wraps > 1 || !types.Implements(typ, errorType) {
				return "%w is for one error, in Errorf"
			}
		default:
			return "the verb %" + after[:1]
		}
		n++
		format = after[1:]
	}
	if n < len(args) {
		return "more arguments than verbs"
	}
	return ""
}

var (
	errorType  = types.Universe.Lookup("error").Type().Underlying().(*types.Interface)
	stringType = types.NewInterfaceType([]*types.Func{types.NewFunc(token.NoPos, nil, "String", types.NewSignatureType(nil, nil, nil, nil,
		types.NewTuple(types.NewVar(token.NoPos, nil, "", types.Typ[types.String])), false))}, nil).Complete()
)

// printable reports whether appendArg knows the type.
func printable(t types.Type) bool {
	if types.Implements(t, errorType) || types.Implements(t, stringType) {
		return true
	}
	if s, ok := t.(*types.Slice); ok {
		return types.Identical(s.Elem(), types.Typ[types.Byte])
	}
	b, ok := types.Unalias(t).(*types.Basic)
	if !ok {
		return false
	}
	switch b.Kind() {
	case types.String, types.Int, types.Int32, types.Int64, types.Uint8, types.Uint16, types.Uint32, types.Uint64, types.UntypedInt,
		types.UntypedString, types.UntypedRune:
		return true
	}
	return false
}
