package onboarding

// Catalogues returns the texts of every language by their English text.
func Catalogues() (map[string]map[string]string, error) {
	l, err := loadLanguages()
	if err != nil {
		return nil, err
	}
	all := map[string]map[string]string{}
	for name, load := range l.texts {
		if all[name], err = load(); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// Sizes returns how many bytes each file that browsers load has.
func Sizes() (map[string]int, error) {
	assets, err := loadAssets()
	if err != nil {
		return nil, err
	}
	sizes := map[string]int{}
	for name, a := range assets {
		sizes[name] = len(a.content)
	}
	return sizes, nil
}

// NameOf is nameOf, for its test.
func NameOf(code string) string { return nameOf(code) }
