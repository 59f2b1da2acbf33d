package onboarding

// Catalogues returns the texts of every language by their English text.
func Catalogues() (map[string]map[string]string, error) {
	l, err := loadLanguages()
	if err != nil {
		return nil, err
	}
	return l.texts, nil
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
