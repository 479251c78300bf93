import type { ReactNode } from "react";

/** Lets in who may come in. */
export function Door({ children }: { readonly children: ReactNode }) {
  return children;
}
