package bench

import "context"

func (g *Ground) many(ctx context.Context) ([]Row, error) { return nil, nil }
