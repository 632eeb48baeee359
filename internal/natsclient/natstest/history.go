package natstest

import "github.com/anishathalye/porcupine"

// ByKey returns how a history is divided into those of its keys, which are checked one by one.
func ByKey[Input any](key func(Input) string) func([]porcupine.Operation) [][]porcupine.Operation {
	return func(history []porcupine.Operation) (all [][]porcupine.Operation) {
		byKey := map[string][]porcupine.Operation{}
		for _, o := range history {
			k := key(o.Input.(Input))
			byKey[k] = append(byKey[k], o)
		}
		for _, one := range byKey {
			all = append(all, one)
		}
		return all
	}
}
