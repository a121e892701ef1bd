package script

import (
	"reflect"
	"slices"

	"github.com/dop251/goja"
	"github.com/dop251/goja/ast"
	"github.com/dop251/goja/token"
	"github.com/dop251/goja/unistring"
)

// parse reads a source for the engine and puts right in its tree what the engine would
// get wrong.
func parse(filename, source string) (*goja.Program, error) {
	tree, err := goja.Parse(filename, source)
	if err != nil {
		return nil, err
	}
	var w varInitializer
	w.walk(reflect.ValueOf(tree.Body))
	return goja.CompileAST(tree, false)
}

// A varInitializer gives variables their first value.
//
// The engine keeps what closures share behind a function's parameters, and there it
// also copies the arguments of a call beyond these: function (a) { var b; () => [a, b] }
// that is called with two arguments finds the second one in b. So each function that
// has others inside sets its variables to undefined first.
type varInitializer struct {
	// inner is whether what has been walked since it was last set to false has
	// functions in it.
	inner bool
}

// astPackage is the path of the types that a tree is made of.
var astPackage = reflect.TypeFor[ast.Identifier]().PkgPath()

// walk goes through a part of a tree. It goes by the types' fields, so that there is
// no kind of node that it does not know.
func (w *varInitializer) walk(v reflect.Value) {
	switch v.Kind() {
	case reflect.Slice:
		for i := range v.Len() {
			w.walk(v.Index(i))
		}
	case reflect.Interface:
		w.walk(v.Elem())
	case reflect.Pointer:
		if v.IsNil() || v.Type().Elem().PkgPath() != astPackage {
			return
		}
		switch n := v.Interface().(type) {
		case *ast.FunctionLiteral:
			if w.inside(v.Elem()) {
				n.Body.List = initialize(n.Body.List, n.DeclarationList, n.ParameterList)
			}
			w.inner = true
		case *ast.ArrowFunctionLiteral:
			if body, ok := n.Body.(*ast.BlockStatement); w.inside(v.Elem()) && ok {
				body.List = initialize(body.List, n.DeclarationList, n.ParameterList)
			}
			w.inner = true
		case *ast.ClassLiteral:
			w.walk(v.Elem())
			w.inner = true // the values of its fields, too
		case *ast.WithStatement:
			w.walk(v.Elem())
			w.inner = true // whose names are looked for at run time, as if from inside
		case *ast.CallExpression:
			w.walk(v.Elem())
			if callee, ok := n.Callee.(*ast.Identifier); ok && callee.Name == "eval" {
				w.inner = true
			}
		case *ast.RegExpLiteral:
			spellOut(n)
		case *ast.Identifier, *ast.StringLiteral, *ast.NumberLiteral:
		default:
			w.walk(v.Elem())
		}
	case reflect.Struct:
		for i := range v.NumField() {
			switch f := v.Field(i); f.Kind() {
			case reflect.Slice, reflect.Interface, reflect.Pointer, reflect.Struct:
				if v.Type().Field(i).Name != "DeclarationList" {
					w.walk(f)
				}
			}
		}
	}
}

// inside walks a function, and reports whether there are functions in it.
func (w *varInitializer) inside(function reflect.Value) bool {
	w.inner = false
	for i := range function.NumField() {
		if function.Type().Field(i).Name != "DeclarationList" {
			w.walk(function.Field(i))
		}
	}
	return w.inner
}

// initialize puts a declaration with values in front of a function's statements, and
// behind its directives.
func initialize(list []ast.Statement, declared []*ast.VariableDeclaration, parameters *ast.ParameterList) []ast.Statement {
	if len(declared) == 0 {
		return list
	}
	taken := make(map[unistring.String]bool)
	collect := func(target ast.Expression) {
		names(target, func(id *ast.Identifier) { taken[id.Name] = true })
	}
	if parameters != nil {
		for _, p := range parameters.List {
			collect(p.Target)
		}
		collect(parameters.Rest)
	}
	taken["arguments"] = true
	for _, s := range list {
		if f, ok := s.(*ast.FunctionDeclaration); ok {
			taken[f.Function.Name.Name] = true
		}
	}
	first := &ast.VariableStatement{}
	for _, d := range declared {
		for _, b := range d.List {
			names(b.Target, func(id *ast.Identifier) {
				if taken[id.Name] {
					return
				}
				taken[id.Name] = true
				first.Var = id.Idx
				first.List = append(first.List, &ast.Binding{
					Target:      &ast.Identifier{Name: id.Name, Idx: id.Idx},
					Initializer: &ast.UnaryExpression{Operator: token.VOID, Idx: id.Idx, Operand: &ast.NumberLiteral{Idx: id.Idx, Literal: "0", Value: int64(0)}},
				})
			})
		}
	}
	if len(first.List) == 0 {
		return list
	}
	at := slices.IndexFunc(list, func(s ast.Statement) bool { return !isDirective(s) })
	if at < 0 {
		return list
	}
	return slices.Insert(slices.Clip(list), at, ast.Statement(first))
}

// isDirective reports whether a statement is a string alone, such as 'use strict'.
func isDirective(s ast.Statement) bool {
	e, ok := s.(*ast.ExpressionStatement)
	if !ok {
		return false
	}
	_, ok = e.Expression.(*ast.StringLiteral)
	return ok
}

// names calls f with the names that a declaration binds.
func names(target ast.Expression, f func(*ast.Identifier)) {
	switch t := target.(type) {
	case *ast.Identifier:
		f(t)
	case *ast.Binding:
		names(t.Target, f)
	case *ast.AssignExpression:
		names(t.Left, f)
	case *ast.SpreadElement:
		names(t.Expression, f)
	case *ast.ArrayPattern:
		for _, e := range t.Elements {
			names(e, f)
		}
		names(t.Rest, f)
	case *ast.ObjectPattern:
		for _, p := range t.Properties {
			switch p := p.(type) {
			case *ast.PropertyShort:
				f(&p.Name)
			case *ast.PropertyKeyed:
				names(p.Value, f)
			}
		}
		names(t.Rest, f)
	}
}
