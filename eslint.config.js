import js from '@eslint/js';
import { defineConfig } from 'eslint/config';
import html from 'eslint-plugin-html';
import n from 'eslint-plugin-n';
import tseslint from 'typescript-eslint';

/** `lib` is the domain: it knows nothing of Node-RED, of our nodes, or of the demo plant. */
const libImports = {
  patterns: [
    {
      group: ['**/nodes/**', '**/plant/**', 'node-red', 'node-red/*', '@node-red/*'],
      message: 'lib knows nothing of Node-RED; pass in what it needs.',
    },
  ],
};

export default defineConfig(
  { ignores: ['dist/', '.jidoka/', 'node_modules/', 'bench/peers/'] },
  js.configs.recommended,
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.strictTypeChecked],
    plugins: { n },
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      'n/prefer-node-protocol': 'error',
      'n/no-sync': ['off'],
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      eqeqeq: 'error',
      'no-eval': 'error',
      'no-implied-eval': 'error',
    },
  },
  { files: ['lib/**/*.ts'], rules: { 'no-restricted-imports': ['error', libImports] } },
  {
    files: ['nodes/**/*.ts'],
    rules: { 'no-restricted-imports': ['error', { patterns: ['**/plant/**'] }] },
  },
  {
    files: ['test/**/*.ts'],
    rules: {
      '@typescript-eslint/no-floating-promises': 'off',
      '@typescript-eslint/no-unused-expressions': 'off',
    },
  },
  {
    files: ['nodes/**/*.html', 'editor-plugin.html'],
    plugins: { html },
    languageOptions: {
      sourceType: 'script',
      globals: {
        RED: 'readonly',
        $: 'readonly',
        document: 'readonly',
        window: 'readonly',
      },
    },
    // Node-RED heeds a validator's sentence only where the function has a second parameter, used or not.
    rules: { 'no-unused-vars': ['error', { args: 'none' }] },
  },
  {
    // Larger code of a dialog, which the editor loads as it is.
    files: ['resources/**/*.js'],
    languageOptions: {
      sourceType: 'script',
      globals: {
        RED: 'readonly',
        $: 'readonly',
        document: 'readonly',
        window: 'readonly',
        performance: 'readonly',
        setTimeout: 'readonly',
        clearTimeout: 'readonly',
        URL: 'readonly',
        DOMPoint: 'readonly',
        ResizeObserver: 'readonly',
      },
    },
  },
  {
    // What the pages of the dashboard import.
    files: ['resources/dashboard/*.js'],
    languageOptions: {
      sourceType: 'module',
      globals: {
        AbortSignal: 'readonly',
        fetch: 'readonly',
        sessionStorage: 'readonly',
      },
    },
  },
  {
    // The body of a function node: Node-RED wraps it in a function.
    files: ['flows/**/*.js'],
    languageOptions: {
      sourceType: 'script',
      parserOptions: { ecmaFeatures: { globalReturn: true } },
      globals: { msg: 'readonly', context: 'readonly', env: 'readonly', node: 'readonly' },
    },
  },
  {
    files: ['tools/*.mjs'],
    languageOptions: { globals: { process: 'readonly', console: 'readonly' } },
  },
);
