import { expect, test } from 'vitest';

import plugin from './index';

test('the plugin carries the name its settings schema has', () => {
  expect(plugin.id).toBe('jupyter-wherobots:plugin');
});
