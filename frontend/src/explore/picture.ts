/**
 * A picture to search with, kept for this tab so that a reload finds it again.
 *
 * It is made small first: models look at a few hundred pixels, and a tab may keep a few megabytes.
 */
const PREFIX = "komadori.picture.";
const KEPT = 3;
const LONGEST_SIDE = 768;

/** Keep a picture: the key under which it is found. Throws when the file is no picture that the browser reads. */
export async function keepPicture(file: Blob): Promise<string> {
  const url = await small(file);
  const key = Date.now().toString(36);
  const keys = Object.keys(sessionStorage)
    .filter((name) => name.startsWith(PREFIX))
    .sort();
  for (const old of keys.slice(0, Math.max(0, keys.length - KEPT + 1))) sessionStorage.removeItem(old);
  sessionStorage.setItem(PREFIX + key, url);
  return key;
}

/** A kept picture as a data URL, or null when this tab does not have it. */
export const pictureUrl = (key: string): string | null => sessionStorage.getItem(PREFIX + key);

export async function readPicture(key: string): Promise<Blob | null> {
  const url = pictureUrl(key);
  if (url === null) return null;
  const [head = "", data = ""] = url.split(",");
  const bytes = Uint8Array.from(atob(data), (character) => character.charCodeAt(0));
  return new Blob([bytes], { type: head.slice(5).replace(";base64", "") });
}

async function small(file: Blob): Promise<string> {
  const picture = await createImageBitmap(file);
  const scale = Math.min(1, LONGEST_SIDE / Math.max(picture.width, picture.height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(picture.width * scale));
  canvas.height = Math.max(1, Math.round(picture.height * scale));
  const context = canvas.getContext("2d");
  if (context === null) throw new Error("the browser gives no canvas");
  context.drawImage(picture, 0, 0, canvas.width, canvas.height);
  picture.close();
  return canvas.toDataURL("image/jpeg", 0.92);
}
