package dbserver

// Port returns the port that a server listens on, or tries first.
func Port(s *Server) int { return s.port }
