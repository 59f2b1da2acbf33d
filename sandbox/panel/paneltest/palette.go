package paneltest

import (
	"bytes"
	"cmp"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"maps"
	"slices"
)

// A picture keeps the exact colours of backgrounds and letters; the colours that smooth the edges of letters may differ.
const (
	exact   = 16
	colours = 24
)

// Small makes a screenshot a smaller PNG with a palette of its most frequent colours. Equal screenshots give equal
// pictures.
func Small(screenshot []byte) ([]byte, error) {
	seen, err := png.Decode(bytes.NewReader(screenshot))
	if err != nil {
		return nil, fmt.Errorf("reading a screenshot: %w", err)
	}
	bounds := seen.Bounds()
	counts := map[color.RGBA]int{}
	for y := bounds.Min.Y; y < bounds.Max.Y; y++ {
		for x := bounds.Min.X; x < bounds.Max.X; x++ {
			counts[opaque(seen.At(x, y))]++
		}
	}
	palette := mostFrequent(counts)
	nearest := make(map[color.RGBA]uint8, len(counts))
	for c := range counts {
		nearest[c] = uint8(palette.Index(c))
	}
	small := image.NewPaletted(bounds, palette)
	for y := bounds.Min.Y; y < bounds.Max.Y; y++ {
		for x := bounds.Min.X; x < bounds.Max.X; x++ {
			small.SetColorIndex(x, y, nearest[opaque(seen.At(x, y))])
		}
	}
	var written bytes.Buffer
	if err := (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&written, small); err != nil {
		return nil, fmt.Errorf("writing a picture: %w", err)
	}
	return written.Bytes(), nil
}

func opaque(c color.Color) color.RGBA {
	r, g, b, _ := c.RGBA()
	return color.RGBA{R: uint8(r >> 8), G: uint8(g >> 8), B: uint8(b >> 8), A: 255}
}

// mostFrequent returns a palette of the most frequent colours and then of those that differ enough from all chosen ones.
func mostFrequent(counts map[color.RGBA]int) color.Palette {
	order := slices.SortedFunc(maps.Keys(counts), func(a, b color.RGBA) int {
		return cmp.Or(counts[b]-counts[a], cmp.Compare(number(a), number(b)))
	})
	var palette color.Palette
	add := func(limit, near int) {
		for _, c := range order {
			if len(palette) < limit && !slices.ContainsFunc(palette, func(p color.Color) bool { return distance(p.(color.RGBA), c) <= near }) {
				palette = append(palette, c)
			}
		}
	}
	add(exact, 0)
	add(colours, 24)
	return palette
}

func number(c color.RGBA) int { return int(c.R)<<16 | int(c.G)<<8 | int(c.B) }

// distance returns the largest difference of two colours in a channel.
func distance(a, b color.RGBA) int {
	apart := func(x, y uint8) int { return max(int(x)-int(y), int(y)-int(x)) }
	return max(apart(a.R, b.R), apart(a.G, b.G), apart(a.B, b.B))
}
