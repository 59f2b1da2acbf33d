package pack

// TrimComments is trimComments.
var TrimComments = trimComments
