import { Images, SquareDashedMousePointer, X } from "lucide-react";
import { defineTexts, useFormats, useTexts } from "@/i18n";
import { Button } from "@/ui/Button";
import styles from "./SelectionBar.module.css";

const texts = defineTexts(
  { selected: (n: string) => `${n} selected`, annotate: "Annotate", similar: "Similar", clear: "Clear the selection", bar: "Selection" },
  { selected: (n: string) => `${n} 件選択中`, annotate: "アノテーション", similar: "類似検索", clear: "選択を解除", bar: "選択" },
);

interface Props {
  readonly n: number;
  readonly onAnnotate: () => void;
  /** Only when one frame is selected. */
  readonly onSimilar: (() => void) | null;
  readonly onClear: () => void;
}

/** What can be done with the selected frames. */
export function SelectionBar({ n, onAnnotate, onSimilar, onClear }: Props) {
  const t = useTexts(texts);
  const { number } = useFormats();
  return (
    <section className={styles["bar"]} aria-label={t.bar}>
      <output>{t.selected(number(n))}</output>
      <Button look="primary" icon={<SquareDashedMousePointer />} onClick={onAnnotate}>
        {t.annotate}
      </Button>
      {onSimilar !== null && (
        <Button icon={<Images />} onClick={onSimilar}>
          {t.similar}
        </Button>
      )}
      <Button look="quiet" aria-label={t.clear} icon={<X />} onClick={onClear} />
    </section>
  );
}
