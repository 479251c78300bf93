import { ImagePlus, Search, X } from "lucide-react";
import { type ChangeEvent, type ClipboardEvent, type DragEvent, useEffect, useRef, useState } from "react";
import { thumbnailUrl } from "@/api/client";
import { defineTexts, useTexts } from "@/i18n";
import { useKeys } from "@/keys/useKeys";
import { Button } from "@/ui/Button";
import { FileButton } from "@/ui/FileButton";
import { showToast } from "@/ui/toasts";
import { keepPicture, pictureUrl } from "./picture";
import styles from "./SearchBox.module.css";
import type { Change } from "./state";
import type { ExploreState } from "./urlState";

const texts = defineTexts(
  {
    label: "Search frames",
    placeholder: "Describe what to find, or paste or drop a picture",
    choose: "Search with a picture",
    likeFrame: "Similar to this frame",
    likePicture: "Similar to this picture",
    clear: "Clear the search",
    notAPicture: "This file is no picture that the browser can read.",
    notAPictureHint: "Use a JPEG, PNG or WebP.",
    drop: "Drop the picture to search with it",
  },
  {
    label: "フレームを検索",
    placeholder: "探したいものを言葉で入力、または画像を貼り付け・ドロップ",
    choose: "画像で検索",
    likeFrame: "このフレームに類似",
    likePicture: "この画像に類似",
    clear: "検索をクリア",
    notAPicture: "このファイルはブラウザで読める画像ではありません。",
    notAPictureHint: "JPEG、PNG、WebP を使ってください。",
    drop: "画像をドロップして検索",
  },
);

/** After so long without another key the words are searched for. */
const PAUSE_MS = 250;

interface Props {
  readonly state: ExploreState;
  readonly change: Change;
}

/** Words, or a picture: typed, chosen, pasted or dropped. */
export function SearchBox({ state, change }: Props) {
  const t = useTexts(texts);
  const input = useRef<HTMLInputElement>(null);
  const words = useWords(state.q, (q) => change({ q, like: null, img: null }, state.q === "" || q === "" ? "push" : "replace"));
  const [isOver, setIsOver] = useState(false);
  useKeys("any", { search: () => input.current?.focus() });

  const search = async (file: Blob) => {
    try {
      change({ img: await keepPicture(file), q: "", like: null });
    } catch {
      showToast({ kind: "error", text: t.notAPicture, hint: t.notAPictureHint });
    }
  };
  usePictures(search, setIsOver);

  const picture = state.like === null ? (state.img === null ? null : pictureUrl(state.img)) : thumbnailUrl(state.like);
  const isBusyWith = state.like !== null || state.img !== null;
  return (
    <search className={[styles["box"], isOver ? styles["over"] : ""].join(" ")}>
      {isBusyWith ? (
        <span className={styles["picture"]}>
          {picture !== null && <img src={picture} alt="" />}
          {state.like === null ? t.likePicture : t.likeFrame}
        </span>
      ) : (
        <>
          <Search aria-hidden className={styles["icon"]} />
          <input
            ref={input}
            type="search"
            aria-label={t.label}
            placeholder={t.placeholder}
            autoComplete="off"
            spellCheck={false}
            {...words}
          />
        </>
      )}
      {(isBusyWith || state.q !== "") && (
        <Button look="quiet" aria-label={t.clear} icon={<X />} onClick={() => change({ q: "", like: null, img: null })} />
      )}
      <FileButton
        look="quiet"
        label={t.choose}
        accept="image/*"
        icon={<ImagePlus aria-hidden />}
        onFiles={([file]) => {
          if (file !== undefined) void search(file);
        }}
      />
      {isOver && <span className={styles["drop"]}>{t.drop}</span>}
    </search>
  );
}

/** An input that searches a moment after the last key, at Enter at once, and never amid the composing of a word. */
function useWords(q: string, search: (q: string) => void) {
  const [value, setValue] = useState(q);
  const [known, setKnown] = useState(q);
  const timer = useRef<number | undefined>(undefined);
  const isComposing = useRef(false);
  if (q !== known) {
    setKnown(q);
    setValue(q);
  }
  useEffect(() => () => window.clearTimeout(timer.current), []);
  const commit = (words: string) => {
    window.clearTimeout(timer.current);
    if (words !== q) {
      setKnown(words);
      search(words);
    }
  };
  const wait = (words: string) => {
    window.clearTimeout(timer.current);
    timer.current = window.setTimeout(() => commit(words), PAUSE_MS);
  };
  return {
    value,
    onChange: (event: ChangeEvent<HTMLInputElement>) => {
      setValue(event.target.value);
      if (isComposing.current) window.clearTimeout(timer.current);
      else wait(event.target.value);
    },
    onCompositionStart: () => {
      isComposing.current = true;
      window.clearTimeout(timer.current);
    },
    onCompositionEnd: (event: React.CompositionEvent<HTMLInputElement>) => {
      isComposing.current = false;
      wait(event.currentTarget.value);
    },
    onKeyDown: (event: React.KeyboardEvent<HTMLInputElement>) => {
      // Enter that ends a composition is the input method's.
      if (event.nativeEvent.isComposing || isComposing.current) return;
      if (event.key === "Enter") commit(event.currentTarget.value);
      if (event.key === "Escape") {
        // Browsers empty such an input; one leaves it to move among what was found.
        event.preventDefault();
        event.currentTarget.blur();
      }
    },
  };
}

/** Hears of pictures that are pasted or dropped anywhere in the page. */
function usePictures(search: (file: Blob) => unknown, setIsOver: (isOver: boolean) => void): void {
  const latest = useRef(search);
  useEffect(() => {
    latest.current = search;
  });
  useEffect(() => {
    const take = (data: DataTransfer | null) => {
      const file = [...(data?.files ?? [])].find((one) => one.type.startsWith("image/"));
      if (file !== undefined) latest.current(file);
      return file !== undefined;
    };
    const paste = (event: Event) => {
      if (take((event as unknown as ClipboardEvent).clipboardData)) event.preventDefault();
    };
    const isFile = (event: DragEvent) => event.dataTransfer?.types.includes("Files") === true;
    const over = (event: Event) => {
      if (!isFile(event as unknown as DragEvent)) return;
      event.preventDefault();
      setIsOver(true);
    };
    const leave = (event: Event) => {
      if ((event as MouseEvent).relatedTarget === null) setIsOver(false);
    };
    const drop = (event: Event) => {
      if (!isFile(event as unknown as DragEvent)) return;
      event.preventDefault();
      setIsOver(false);
      take((event as unknown as DragEvent).dataTransfer);
    };
    const heard = { paste, dragover: over, dragleave: leave, drop };
    for (const [name, listener] of Object.entries(heard)) document.addEventListener(name, listener);
    return () => {
      for (const [name, listener] of Object.entries(heard)) document.removeEventListener(name, listener);
    };
  }, [setIsOver]);
}
