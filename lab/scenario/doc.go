// Package scenario runs labs that are written down in YAML files.
//
//	f, err := scenario.Load(file, "lan.yaml")
//	if err != nil {
//		return err // lan.yaml:12: hosts.alice: there is no key "adress"; did you mean "address"?
//	}
//	r, err := f.Run(ctx, scenario.Options{})
//	r.WriteTo(os.Stdout) // what each host heard, and what was dropped, and why
//	if !r.Passed() { ... }
package scenario
