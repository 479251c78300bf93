/** The picture of the frame that is shown. The one before stays until the next is there, so that nothing flickers. */
export class Picture {
  private wanted = "";
  private image: ImageBitmap | null = null;

  constructor(private readonly onChange: (state: "ready" | "failed") => void) {}

  async load(url: string): Promise<void> {
    this.wanted = url;
    try {
      const element = new Image();
      element.src = url;
      await element.decode();
      const image = await createImageBitmap(element);
      if (this.wanted !== url) return image.close();
      this.image?.close();
      this.image = image;
      this.onChange("ready");
    } catch {
      if (this.wanted !== url) return;
      this.close();
      this.onChange("failed");
    }
  }

  close(): void {
    this.wanted = "";
    this.image?.close();
    this.image = null;
  }

  /** Draws it over so many pixels of the frame. */
  draw(context: CanvasRenderingContext2D, width: number, height: number): void {
    if (this.image !== null) context.drawImage(this.image, 0, 0, width, height);
  }
}
