// The system libyaml (0.2): a YAML 1.1 event parser.
#include <yaml.h>
