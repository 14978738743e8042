/** Who wants to hear of something. */

export class Listeners<News> {
  readonly #listeners = new Set<(news: News) => void>();

  /** Returns the way to stop listening. */
  add(listener: (news: News) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  tell(news: News): void {
    for (const listener of [...this.#listeners]) {
      try {
        listener(news);
      } catch {
        // A listener shows a status or learns; its failure must not keep the station from disarming.
      }
    }
  }
}
