from alight.nn import functional
