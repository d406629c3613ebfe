import { expect, test } from 'vitest';
import { expressionOf } from './code';

const ENVIRONMENT = {
  USER_S3_PATH: 's3://b/o/data/customer-x/',
  USER_S3_SHARED_PATH: 's3://b/o/data/shared/',
  USER_WAREHOUSE_PATH: 's3://b/o/data/customer-x/warehouse/'
};

test.each([
  [
    's3://b/o/data/customer-x/a b.csv',
    'os.environ["USER_S3_PATH"] + "a b.csv"'
  ],
  [
    's3://b/o/data/customer-x/warehouse/t/',
    'os.environ["USER_WAREHOUSE_PATH"] + "t/"'
  ],
  ['s3://b/o/data/customer-x/', 'os.environ["USER_S3_PATH"]'],
  [
    's3://b/o/data/shared/"q"\\.csv',
    'os.environ["USER_S3_SHARED_PATH"] + "\\"q\\"\\\\.csv"'
  ],
  ['s3://b/o/data/customer-xy/a', '"s3://b/o/data/customer-xy/a"'],
  ['s3://b/o/spark-logs/', '"s3://b/o/spark-logs/"']
])('%s is %s', (uri, code) => {
  expect(expressionOf(uri, ENVIRONMENT)).toBe(code);
});

test('variables without their slash work too', () => {
  const environment = { USER_S3_PATH: 's3://b/o/data/customer-x' };
  expect(expressionOf('s3://b/o/data/customer-x/a', environment)).toBe(
    'os.environ["USER_S3_PATH"] + "/a"'
  );
});
