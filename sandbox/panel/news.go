package panel

import (
	"net/http"
	"slices"
	"time"
)

// maxNews is how many notifications or mails the panel shows.
const maxNews = 100

// A Notification is a notification of the platform for a user.
type Notification struct {
	ID      string    `json:"id"`
	At      time.Time `json:"at"`
	Status  string    `json:"status"` // ready, error or inProgress
	Text    string    `json:"text"`
	Details string    `json:"details,omitempty"`
	Unread  bool      `json:"unread"` // set by the panel
}

// A Mail is a mail in the world's inbox.
type Mail struct {
	ID      string    `json:"id"`
	At      time.Time `json:"at"`
	From    string    `json:"from"`
	To      []string  `json:"to"`
	Subject string    `json:"subject"`
	Text    string    `json:"text"`
	Unread  bool      `json:"unread"` // set by the panel
}

// news counts what a user has not read, and says what is wrong with the connector.
type news struct {
	Notifications int `json:"notifications"`
	Mails         int `json:"mails"`
	// Outage is what the platform gets instead of the connector's answers; empty while it runs.
	Outage string `json:"outage"`
}

// newest returns the newest maxNews of a list whose oldest element is first, in reverse.
func newest[E any](list []E) []E {
	list = append([]E{}, list[max(0, len(list)-maxNews):]...) // an empty one is [] in JSON
	slices.Reverse(list)
	return list
}

// A readSet is what a user has read, by ID.
type readSet map[string]bool

// notifications returns those for a user, newest first.
func (s *server) notifications(r *http.Request, u User) ([]Notification, error) {
	all, err := s.cfg.Backend.Notifications(r.Context(), u.ID)
	if err != nil {
		return nil, err
	}
	list := newest(all)
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range list {
		list[i].Unread = !s.read[u.ID][list[i].ID]
	}
	return list, nil
}

// mailbox is the reader in server.read of the mails, which all users share.
const mailbox = "mailbox"

// mails returns the mails of the world's inbox, newest first.
func (s *server) mails() []Mail {
	if s.cfg.Drawer == nil {
		return nil
	}
	list := newest(s.cfg.Drawer.Mails())
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range list {
		list[i].Unread = !s.read[mailbox][list[i].ID]
	}
	return list
}

// markRead notes that a reader has read exactly the IDs.
func (s *server) markRead(reader string, ids readSet) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.read[reader] = ids
}

// showNews answers with what is unread.
func (s *server) showNews(w http.ResponseWriter, r *http.Request, in session) {
	list, err := s.notifications(r, in.user)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	var n news
	for _, one := range list {
		if one.Unread {
			n.Notifications++
		}
	}
	for _, one := range s.mails() {
		if one.Unread {
			n.Mails++
		}
	}
	if s.cfg.Drawer != nil {
		n.Outage = s.cfg.Drawer.Outage()
	}
	writeJSON(w, http.StatusOK, n)
}

// readNotifications answers with the notifications of a user, and marks them as read.
func (s *server) readNotifications(w http.ResponseWriter, r *http.Request, in session) {
	list, err := s.notifications(r, in.user)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	read := make(readSet)
	for _, one := range list {
		read[one.ID] = true
	}
	s.markRead(in.user.ID, read)
	writeJSON(w, http.StatusOK, list)
}

// readMails answers with the mails, and marks them as read.
func (s *server) readMails(w http.ResponseWriter, _ *http.Request, _ session) {
	list, read := s.mails(), make(readSet)
	for _, one := range list {
		read[one.ID] = true
	}
	s.markRead(mailbox, read)
	writeJSON(w, http.StatusOK, list)
}
