/**
 * A person's hand in the editor: moves the mouse, presses and types as a person does, and counts it. A drag counts as one
 * click, a double click as two, a choice from a list as two (open it, choose), a key as one keystroke.
 */
import type { Locator, Page } from 'playwright-core';

interface Point {
  x: number;
  y: number;
}

export class Hand {
  clicks = 0;
  keystrokes = 0;
  readonly #page: Page;

  constructor(page: Page) {
    this.#page = page;
  }

  async click(selector: string): Promise<void> {
    this.clicks += 1;
    await this.#page.locator(selector).first().click();
  }

  async doubleClick(selector: string): Promise<void> {
    this.clicks += 2;
    await this.#page.locator(selector).first().dblclick();
  }

  /** Into a field that is looked for and clicked first, over what stands in it. */
  async fill(selector: string, text: string): Promise<void> {
    const field = this.#page.locator(selector).first();
    // Three clicks choose all that a field holds.
    const holdsText = (await field.inputValue()) !== '';
    this.clicks += holdsText ? 3 : 1;
    await field.click({ clickCount: holdsText ? 3 : 1 });
    await this.type(text);
  }

  /** Into whatever has the focus. */
  async type(text: string): Promise<void> {
    this.keystrokes += text.length;
    await this.#page.keyboard.type(text);
  }

  async press(key: string): Promise<void> {
    this.keystrokes += 1;
    await this.#page.keyboard.press(key);
  }

  async choose(selector: string, value: string): Promise<void> {
    this.clicks += 2;
    await this.#page.selectOption(selector, value);
  }

  /** From the middle of one thing to a point, or to the middle of another. */
  async drag(from: string, to: string | Point): Promise<void> {
    this.clicks += 1;
    const { mouse } = this.#page;
    const start = await middleOf(this.#page.locator(from).first());
    await mouse.move(start.x, start.y);
    await mouse.down();
    const end = typeof to === 'string' ? await middleOf(this.#page.locator(to).first()) : to;
    // jQuery's draggable begins after some way; the editor looks for what lies below on each move.
    await mouse.move((start.x + end.x) / 2, (start.y + end.y) / 2, { steps: 4 });
    await mouse.move(end.x, end.y, { steps: 4 });
    await mouse.up();
  }
}

async function middleOf(thing: Locator): Promise<Point> {
  await thing.scrollIntoViewIfNeeded();
  const box = await thing.boundingBox();
  if (box === null) throw new Error('there is nothing to see of it');
  return { x: box.x + box.width / 2, y: box.y + box.height / 2 };
}
