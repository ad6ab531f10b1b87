package simulator

import "net/http"

// controlRoot is where the simulator is told what to do.
const controlRoot = "/_simulator/"

// changed marks an action as changed. The mutex is held.
func (s *Server) changed(a *action) { a.revision = s.journal.changed() }

func (s *Server) serveControl(w http.ResponseWriter, r *http.Request, path string) {
	refusal(http.StatusNotFound, "No such resource").writeTo(w)
}
