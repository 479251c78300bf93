import { defineTexts, useFormats, useTexts } from "@/i18n";
import type { Found } from "./api";
import type { Shown } from "./shown";
import type { Change } from "./state";
import type { ExploreState } from "./urlState";
import styles from "./Verdict.module.css";

const texts = defineTexts(
  {
    frames: (n: string) => `${n} frames`,
    strong: (n: string) => `${n} strong`,
    maybe: (n: string) => `${n} maybe`,
    among: (n: string) => `among ${n} frames`,
    nothing: "Nothing here matches.",
    closest: "The closest frames are shown; they look like what else is here.",
    tooFew: "There are too few frames to say which scores mean something. The closest come first.",
    matches: "Matches",
    all: "All frames",
    byScore: "Best first",
    byTime: "By time",
    how: (strong: string, maybe: string) =>
      `Compared with the scores of the project's other frames: strong from ${strong}, maybe from ${maybe} (cosine).`,
    searching: "Searching …",
    notYet: (n: string) => `${n} frames cannot be found yet: their features are still being computed.`,
    show: "Show",
    sort: "Order",
  },
  {
    frames: (n: string) => `${n} フレーム`,
    strong: (n: string) => `一致 ${n}`,
    maybe: (n: string) => `候補 ${n}`,
    among: (n: string) => `／${n} フレーム中`,
    nothing: "一致するものはありません。",
    closest: "最も近いフレームを表示しています。他のフレームと同程度の類似度です。",
    tooFew: "フレームが少なく、スコアの意味を判断できません。近い順に表示します。",
    matches: "一致のみ",
    all: "すべて",
    byScore: "スコア順",
    byTime: "時刻順",
    how: (strong: string, maybe: string) =>
      `プロジェクト内の他のフレームのスコアとの比較：一致は ${strong} 以上、候補は ${maybe} 以上（コサイン類似度）。`,
    searching: "検索中…",
    notYet: (n: string) => `${n} フレームは特徴量の計算中のため、まだ検索できません。`,
    show: "表示",
    sort: "並び順",
  },
);

interface Props {
  readonly shown: Shown;
  readonly found: Found | undefined;
  readonly nFrames: number;
  readonly isSearching: boolean;
  readonly state: ExploreState;
  readonly change: Change;
}

/** Says in one line what a search has found, and how sure that is. */
export function Verdict({ shown, found, nFrames, isSearching, state, change }: Props) {
  const t = useTexts(texts);
  const { number } = useFormats();
  if (found === undefined) {
    return (
      <div className={styles["verdict"]} aria-live="polite">
        {isSearching ? t.searching : t.frames(number(shown.ids.length))}
      </div>
    );
  }
  const { scale } = found;
  const isNothing = scale !== null && shown.nStrong + shown.nMaybe === 0;
  const nMissing = nFrames - found.n_searched;
  return (
    <div className={styles["verdict"]}>
      <div aria-live="polite" className={styles["said"]} title={scale === null ? undefined : t.how(scale.strong_from.toFixed(3), scale.maybe_from.toFixed(3))}>
        {isNothing && <strong>{t.nothing} </strong>}
        {isNothing && t.closest}
        {scale === null && t.tooFew}
        {!isNothing && scale !== null && (
          <>
            <span className={styles["strong"]}>{t.strong(number(shown.nStrong))}</span>
            <span className={styles["maybe"]}>{t.maybe(number(shown.nMaybe))}</span>
            <span>{t.among(number(found.n_searched))}</span>
          </>
        )}
        {nMissing > 0 && state.video === null && <span> {t.notYet(number(nMissing))}</span>}
      </div>
      {!isNothing && scale !== null && (
        <Choice
          label={t.show}
          value={state.all ? "all" : "matches"}
          options={{ matches: t.matches, all: t.all }}
          onChange={(value) => change({ all: value === "all" })}
        />
      )}
      <Choice
        label={t.sort}
        value={state.sort}
        options={{ score: t.byScore, time: t.byTime }}
        onChange={(value) => change({ sort: value === "time" ? "time" : "score" })}
      />
    </div>
  );
}

interface ChoiceProps {
  readonly label: string;
  readonly value: string;
  readonly options: Readonly<Record<string, string>>;
  readonly onChange: (value: string) => void;
}

function Choice({ label, value, options, onChange }: ChoiceProps) {
  return (
    <select aria-label={label} className={styles["choice"]} value={value} onChange={(event) => onChange(event.target.value)}>
      {Object.entries(options).map(([key, text]) => (
        <option key={key} value={key}>
          {text}
        </option>
      ))}
    </select>
  );
}
