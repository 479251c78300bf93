/** What is told about things that were done. */
import { useCallback } from "react";
import { defineTexts, useFormats, useTexts } from "@/i18n";
import type { Said } from "./actions";
import { useView } from "./viewState";

const objects = (n: number, text: string) => (n === 1 ? "1 object" : `${text} objects`);

const texts = defineTexts(
  {
    accept: (n: number, text: string) => `Accepted ${objects(n, text)}`,
    reject: (n: number, text: string) => `Rejected ${objects(n, text)}`,
    reopen: (n: number, text: string) => `${objects(n, text)} undecided again`,
    class: (n: number, text: string) => `Class of ${objects(n, text)} changed`,
    shape: (_n: number, _text: string) => "Shape changed",
    draw: (_n: number, _text: string) => "Object added",
    merge: (n: number, text: string) => `Merged ${objects(n, text)}`,
    split: (_n: number, text: string) => `Split into ${text} parts`,
    restore: (_n: number, _text: string) => "Former state restored",
    undone: (_n: number, _text: string) => "Undone",
    redone: (_n: number, _text: string) => "Redone",
    nothingLeft: (_n: number, _text: string) => "Nothing is undecided here any more",
    onePart: (_n: number, _text: string) => "It has one part only",
    mixedShapes: (_n: number, _text: string) => "Boxes and masks cannot be merged",
    chooseTwo: (_n: number, _text: string) => "Select two objects or more (Shift+click)",
    nothingToUndo: (_n: number, _text: string) => "Nothing to undo",
    nothingToRedo: (_n: number, _text: string) => "Nothing to redo",
  },
  {
    accept: (_n: number, text: string) => `${text} 件を承認しました`,
    reject: (_n: number, text: string) => `${text} 件を却下しました`,
    reopen: (_n: number, text: string) => `${text} 件を未判定に戻しました`,
    class: (_n: number, text: string) => `${text} 件のクラスを変更しました`,
    shape: (_n: number, _text: string) => "形状を変更しました",
    draw: (_n: number, _text: string) => "物体を追加しました",
    merge: (_n: number, text: string) => `${text} 件を結合しました`,
    split: (_n: number, text: string) => `${text} 個に分割しました`,
    restore: (_n: number, _text: string) => "以前の状態に戻しました",
    undone: (_n: number, _text: string) => "元に戻しました",
    redone: (_n: number, _text: string) => "やり直しました",
    nothingLeft: (_n: number, _text: string) => "未判定の物体はもうありません",
    onePart: (_n: number, _text: string) => "分割できる部分がありません",
    mixedShapes: (_n: number, _text: string) => "矩形とマスクは結合できません",
    chooseTwo: (_n: number, _text: string) => "2 つ以上選択してください（Shift+クリック）",
    nothingToUndo: (_n: number, _text: string) => "元に戻す操作はありません",
    nothingToRedo: (_n: number, _text: string) => "やり直す操作はありません",
  },
);

/** Says in the bar what was done; screen readers hear it, too. */
export function useSaid(): (what: Said, nObjects?: number) => void {
  const t = useTexts(texts);
  const { number } = useFormats();
  return useCallback((what, nObjects = 0) => useView.getState().change({ note: t[what](nObjects, number(nObjects)) }), [t, number]);
}
