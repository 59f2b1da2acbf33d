package paneltest

// Stateful is an expression of JavaScript that tries objects of dojox/mvc/getStateful and returns, as a promise, what they did. Real
// Dojo and the panel's own part of it must both return StatefulResult.
const Stateful = `(frame => new Promise(done => frame.require(["dojox/mvc/getStateful", "dojo/Stateful"], (getStateful, Stateful) => {
	const log = [];
	const model = getStateful({ note: "a", deep: { grams: 1 } });
	log.push(model instanceof Stateful, model.get("deep") instanceof Stateful, model.get("deep").get("grams"), getStateful("text"));
	const one = model.watch("note", (name, before, after) => log.push(name + ":" + before + ">" + after));
	const all = model.watch((name, before, after) => log.push("*" + name + ":" + before + ">" + after));
	model.set("note", "b");
	model.set({ note: "c", more: 1 });
	one.unwatch();
	model.set("note", "d");
	all.remove();
	model.set("note", "e");
	log.push(model.get("note"), new Stateful({ x: 2 }).get("x"));
	done(log.join(" "));
})))`

// StatefulResult is what Stateful returns.
const StatefulResult = "true true 1 text note:a>b *note:a>b note:b>c *note:b>c *more:undefined>1 *note:c>d e 2"
