// Every page works without this script. It shows times in the visitor's time zone, copies the code, and posts Microsoft's
// answer again without a click.
(function () {
  'use strict';
  var byId = function (id) { return document.getElementById(id); };

  // The visitor's preferred variant of the page's language, for example en-GB.
  var lang = document.documentElement.lang;
  var locale = (navigator.languages || []).find(function (l) { return l.split('-')[0] === lang; }) || lang;

  document.querySelectorAll('time[datetime]').forEach(function (time) {
    var at = new Date(time.dateTime);
    if (isNaN(at)) return;
    time.title = time.textContent;
    time.textContent = new Intl.DateTimeFormat(locale, { dateStyle: 'long', timeStyle: 'short' }).format(at);
  });

  var copy = byId('copy');
  if (copy) {
    var code = byId('claim-code');
    var select = function () { getSelection().selectAllChildren(code); };
    var say = function (text) { byId('copy-status').textContent = text; };
    copy.hidden = false;
    copy.addEventListener('click', function () {
      var copied = navigator.clipboard
        ? navigator.clipboard.writeText(code.textContent)
        : Promise.reject(new Error('no clipboard'));
      copied.then(function () { say(copy.dataset.copied); }, function () {
        select();
        say(document.execCommand('copy') ? copy.dataset.copied : copy.dataset.failed);
      });
    });
  }

  var handover = byId('handover');
  if (handover) handover.submit();
})();
