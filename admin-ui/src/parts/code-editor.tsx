import { defaultKeymap, history, historyKeymap } from "@codemirror/commands";
import { json, jsonParseLinter } from "@codemirror/lang-json";
import { bracketMatching, HighlightStyle, syntaxHighlighting } from "@codemirror/language";
import { linter } from "@codemirror/lint";
import { EditorView, keymap } from "@codemirror/view";
import { tags } from "@lezer/highlight";
import { useEffect, useRef } from "react";
import { nonce } from "../nonce.js";

const colours = HighlightStyle.define([
  { tag: tags.propertyName, color: "var(--pp-chart-2)" },
  { tag: tags.string, color: "var(--pp-ok)" },
  { tag: [tags.number, tags.bool, tags.null], color: "var(--pp-chart-3)" },
]);

const look = EditorView.theme({
  "&": { fontSize: "0.8125rem", minHeight: "7.5rem" },
  ".cm-content": { fontFamily: "var(--mantine-font-family-monospace)", caretColor: "var(--mantine-color-text)" },
  ".cm-cursor": { borderLeftColor: "var(--mantine-color-text)" },
  "&.cm-focused": { outline: "2px solid var(--mantine-primary-color-filled)" },
  ".cm-tooltip": { backgroundColor: "var(--mantine-color-body)", borderColor: "var(--pp-line)" },
});

const parse = jsonParseLinter();

/** Nothing is fine, and stands for {}. */
const check = linter((view) => (view.state.doc.length === 0 ? [] : parse(view)));

/** A CodeMirror for JSON. Tab leaves it, as it leaves every field. */
export function CodeEditor(props: { labelledBy: string; value: string; change: (value: string) => void }) {
  const place = useRef<HTMLDivElement>(null);
  const editor = useRef<EditorView>(null);
  const change = useRef(props.change);
  change.current = props.change;
  const initial = useRef(props.value);

  useEffect(() => {
    const view = new EditorView({
      parent: place.current ?? document.body,
      doc: initial.current,
      extensions: [
        EditorView.cspNonce.of(nonce),
        EditorView.contentAttributes.of({ "aria-labelledby": props.labelledBy }),
        EditorView.lineWrapping,
        EditorView.updateListener.of((update) => update.docChanged && change.current(update.state.doc.toString())),
        history(),
        keymap.of([...defaultKeymap, ...historyKeymap]),
        json(),
        bracketMatching(),
        syntaxHighlighting(colours),
        check,
        look,
      ],
    });
    editor.current = view;
    return () => view.destroy();
  }, [props.labelledBy]);

  // What comes from outside, such as the URL.
  useEffect(() => {
    const view = editor.current;
    if (view && view.state.doc.toString() !== props.value) {
      view.dispatch({ changes: { from: 0, to: view.state.doc.length, insert: props.value } });
    }
  }, [props.value]);

  return <div ref={place} className="pp-editor" />;
}
