import { Link } from "wouter";
import { defineTexts, useTexts } from "@/i18n";
import { EmptyState } from "@/ui/states";

const texts = defineTexts(
  { missing: "There is no such page.", library: "To the library" },
  { missing: "このページは存在しません。", library: "ライブラリへ" },
);

export function NotFound() {
  const t = useTexts(texts);
  return (
    <EmptyState text={t.missing}>
      <Link href="/">{t.library}</Link>
    </EmptyState>
  );
}
