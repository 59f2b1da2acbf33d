/* A question before harm is done, in Dijit's dialog; the promise tells true or false. */
define(["dojo/Deferred", "dojo/dom-construct", "dijit/ConfirmDialog"], function (Deferred, domConstruct, ConfirmDialog) {
    return function (question) {
        var deferred = new Deferred();
        var yes = false;
        var dialog = new ConfirmDialog({
            title: question.title,
            content: domConstruct.create("p", { textContent: question.description })
        });
        dialog.set({ buttonOk: question.submitLabel, buttonCancel: question.cancelLabel }); // given earlier, Dijit loses them
        dialog.on("execute", function () { yes = true; });
        dialog.on("hide", function () {
            dialog.destroyRecursive();
            deferred.resolve(yes);
        });
        dialog.show();
        return deferred.promise;
    };
});
