// Every page but the start page works without this script. It shows times in the visitor's time zone, copies codes, posts
// Microsoft's answer again without a click, and tells the panel that opened the start page which browser it is open in.
(function () {
  'use strict';
  var byId = function (id) { return document.getElementById(id); };

  // The visitor's preferred variant of the page's language, for example en-GB.
  var lang = document.documentElement.lang;
  var locale = (navigator.languages || []).find(function (l) { return l.split('-')[0] === lang; }) || lang;

  // The styles of dates don't have the time zone, which need not be that of whoever asked for the consent.
  var zoneAt = function (at) {
    return new Intl.DateTimeFormat(locale, { timeZoneName: 'short' }).formatToParts(at)
      .find(function (part) { return part.type === 'timeZoneName'; }).value;
  };

  document.querySelectorAll('time[datetime]').forEach(function (time) {
    var at = new Date(time.dateTime);
    if (isNaN(at)) return;
    time.title = time.textContent;
    time.textContent = new Intl.DateTimeFormat(locale, { dateStyle: 'long', timeStyle: 'short' }).format(at) + ' ' + zoneAt(at);
  });

  document.querySelectorAll('button[data-copies]').forEach(function (copy) {
    var source = byId(copy.dataset.copies);
    var say = function (text) { byId(copy.id + '-status').textContent = text; };
    copy.hidden = false;
    copy.addEventListener('click', function () {
      var copied = navigator.clipboard
        ? navigator.clipboard.writeText(source.textContent)
        : Promise.reject(new Error('no clipboard'));
      copied.then(function () { say(copy.dataset.copied); }, function () {
        getSelection().selectAllChildren(source);
        say(document.execCommand('copy') ? copy.dataset.copied : copy.dataset.failed);
      });
    });
  });

  // Only a panel whose origin the operator has listed receives the message.
  var start = byId('start');
  if (start && window.opener) {
    start.dataset.origins.split(' ').filter(Boolean).forEach(function (origin) {
      window.opener.postMessage({ type: start.dataset.type, browser: start.dataset.browser }, origin);
    });
  }

  var handover = byId('handover');
  if (handover) handover.submit();
})();
