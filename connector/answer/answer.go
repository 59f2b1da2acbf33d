// Package answer writes the bodies of HTTP answers.
package answer

import (
	"encoding/json"
	"strconv"

	"github.com/labstack/echo/v4"
)

// JSON writes JSON with its length: without, an answer of more than two kilobytes is sent in chunks. It is for Echo.JSONSerializer.
type JSON struct{ echo.DefaultJSONSerializer }

// Serialize implements echo.JSONSerializer.
func (JSON) Serialize(c echo.Context, value any, _ string) error {
	text, err := json.Marshal(value)
	if err != nil {
		return err
	}
	text = append(text, '\n')
	c.Response().Header().Set(echo.HeaderContentLength, strconv.Itoa(len(text)))
	_, err = c.Response().Write(text)
	return err
}
