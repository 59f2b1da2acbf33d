package config

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// maxLogo bounds the logo: every visitor loads it.
const maxLogo = 100 << 10

// Logo returns the marketplace's logo and its media type; nil without a file.
func (o Onboarding) Logo() (image []byte, mediaType string, err error) {
	if o.LogoFile == "" {
		return nil, "", nil
	}
	switch strings.ToLower(filepath.Ext(o.LogoFile)) {
	case ".svg":
		mediaType = "image/svg+xml"
	case ".png":
		mediaType = "image/png"
	case ".jpg", ".jpeg":
		mediaType = "image/jpeg"
	case ".webp":
		mediaType = "image/webp"
	default:
		return nil, "", fmt.Errorf("%s is not .svg, .png, .jpg or .webp", o.LogoFile)
	}
	info, err := os.Stat(o.LogoFile)
	if err != nil {
		return nil, "", fmt.Errorf("reading the logo: %w", err)
	}
	if !info.Mode().IsRegular() || info.Size() == 0 || info.Size() > maxLogo {
		return nil, "", fmt.Errorf("%s is not a file of 1 to %d bytes", o.LogoFile, maxLogo)
	}
	if image, err = os.ReadFile(o.LogoFile); err != nil {
		return nil, "", fmt.Errorf("reading the logo: %w", err)
	}
	return image, mediaType, nil
}
